import type { GatewayServer } from './bundle.ts';
import { isObject, type Json } from './json.ts';
import type { ResourceFacts } from './policy-engine.ts';

/** Texts with arguments in braces, such as `{owner}/{repo}`. */
export interface ResourceTemplates {
  readonly project?: string | undefined;
  readonly schema?: string | undefined;
}

const TEMPLATE = /\{([A-Za-z_][A-Za-z0-9_-]*)\}/g;
/** UTF-16 units of one part of a resource's name. */
const MAX_PART = 256;

export function isTemplate(text: string): boolean {
  return text.search(TEMPLATE) !== -1 && !/[{}]/.test(text.replaceAll(TEMPLATE, ''));
}

/** The arguments that the templates name. */
function namesOf({ project = '', schema = '' }: ResourceTemplates): readonly string[] {
  return [...`${project}${schema}`.matchAll(TEMPLATE)].map(([, name = '']) => name);
}

/**
 * The templates that are about a tool: those whose arguments its schema declares, all of them. A tool without them is
 * about the tenant.
 */
export function templatesFor(
  templates: ResourceTemplates | undefined,
  inputSchema: Json | undefined,
): ResourceTemplates {
  const properties = isObject(inputSchema) && isObject(inputSchema.properties) ? inputSchema.properties : {};
  const declared = (template: string | undefined) =>
    template !== undefined && namesOf({ project: template }).every((name) => Object.hasOwn(properties, name));
  return {
    ...(declared(templates?.project) && { project: templates?.project }),
    ...(declared(templates?.schema) && { schema: templates?.schema }),
  };
}

/** Of each tool that says what it is about, by its action. */
export function templatesByAction(
  servers: readonly Pick<GatewayServer, 'pins' | 'resource'>[],
): ReadonlyMap<string, ResourceTemplates> {
  const found = new Map<string, ResourceTemplates>();
  for (const { pins, resource } of servers)
    for (const { name, raw } of resource === undefined ? [] : pins.tools) {
      const descriptor: Json = JSON.parse(raw);
      found.set(
        `${pins.name}/${name}`,
        templatesFor(resource, isObject(descriptor) ? descriptor.inputSchema : undefined),
      );
    }
  return found;
}

export function isMapped({ project, schema }: ResourceTemplates): boolean {
  return project !== undefined || schema !== undefined;
}

/** What a call with these arguments is about; a text says why nobody can tell. */
export function resourceOf(templates: ResourceTemplates, args: Json | undefined): ResourceFacts | string {
  const parts: { project?: string; schema?: string } = {};
  for (const part of ['project', 'schema'] as const) {
    const template = templates[part];
    if (template === undefined) continue;
    const text = filled(template, args);
    if (text === undefined) return `its arguments do not tell its ${part}, ${template}`;
    parts[part] = text;
  }
  return parts;
}

/** Undefined where an argument is absent or is not one plain name: two spellings of one thing must not be two resources. */
function filled(template: string, args: Json | undefined): string | undefined {
  let whole = true;
  const text = template.replaceAll(TEMPLATE, (_, name: string) => {
    const value = isObject(args) && Object.hasOwn(args, name) ? args[name] : undefined;
    const plain = typeof value === 'string' ? value : Number.isSafeInteger(value) ? String(value) : '';
    if (!/^[^\p{C}\p{Z}/:%\\]+$/u.test(plain) || plain.normalize('NFC') !== plain || /^\.+$/.test(plain)) whole = false;
    return plain;
  });
  return whole && text.length <= MAX_PART ? text : undefined;
}

/** The entity that policies name: `acme/web`, `acme/web:sales`, `acme/:sales`; no argument brings a `/` or `:` into it. */
export function resourceUid(
  tenant: string,
  { project, schema }: ResourceFacts = {},
): { readonly type: 'Tenant' | 'Project' | 'Schema'; readonly id: string; readonly within: readonly Uid[] } {
  const top: Uid = { type: 'Tenant', id: tenant };
  if (project === undefined && schema === undefined) return { type: 'Tenant', id: tenant, within: [] };
  const owner = tenant.replaceAll('%', '%25').replaceAll('/', '%2F');
  const ofProject: readonly Uid[] = project === undefined ? [] : [{ type: 'Project', id: `${owner}/${project}` }];
  if (schema === undefined) return { type: 'Project', id: `${owner}/${project}`, within: [top] };
  return { type: 'Schema', id: `${owner}/${project ?? ''}:${schema}`, within: [top, ...ofProject] };
}

interface Uid {
  readonly type: string;
  readonly id: string;
}
