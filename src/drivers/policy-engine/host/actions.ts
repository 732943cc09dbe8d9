import type { PinnedDescriptor } from '../../../contract/descriptors.ts';
import { isObject, type Json } from '../../../contract/json.ts';
import type { PolicyWorld, WorldServer } from '../../../contract/policy-world.ts';
import { isMapped, type ResourceTemplates, templatesFor } from '../../../contract/resource-mapping.ts';
import { type RecordType, typeOfArguments, type Untyped } from './argument-types.ts';

/** What a policy can say of one action. */
export interface ActionType {
  readonly args: RecordType;
  /** Declared arguments that policies do not see. */
  readonly untyped: readonly Untyped[];
  /** What it is about, which its arguments tell. */
  readonly resource: 'Tenant' | 'Project' | 'Schema';
  /** Groups of actions that it is in. */
  readonly groups: readonly string[];
}

/** The arguments of the methods that name no tool; the last three are what a server may ask of the client in mid-call. */
const METHODS: Readonly<Record<string, readonly string[]>> = {
  'resources/read': ['uri'],
  'resources/subscribe': ['uri'],
  'prompts/get': ['name'],
  'resources/list': [],
  'completion/complete': [],
  'elicitation/create': [],
  'sampling/createMessage': [],
  'roots/list': [],
};

/** Every action that exists: `SERVER/TOOL` for each pinned tool, `SERVER#METHOD` for the other methods. */
export function actionsOfPins({ servers }: PolicyWorld): ReadonlyMap<string, ActionType> {
  const actions = new Map<string, ActionType>();
  for (const server of servers) {
    for (const tool of server.pins.tools) actions.set(`${server.pins.name}/${tool.name}`, actionOf(server, tool));
    for (const [method, names] of Object.entries(METHODS)) {
      const attributes = new Map(names.map((name) => [name, { type: { kind: 'String' as const }, required: true }]));
      const plain = { untyped: [], resource: 'Tenant', groups: [] } as const;
      actions.set(`${server.pins.name}#${method}`, { args: { kind: 'Record', attributes }, ...plain });
    }
  }
  return actions;
}

function actionOf({ pins, resource }: WorldServer, tool: PinnedDescriptor): ActionType {
  const { inputSchema, annotations } = read(tool);
  const { type, untyped } = typeOfArguments(inputSchema);
  const templates = templatesFor(resource, inputSchema);
  const readOnly = isObject(annotations) && annotations.readOnlyHint === true;
  return { args: type, untyped, resource: kindOf(templates), groups: readOnly ? [`${pins.name}#read-only`] : [] };
}

function kindOf(templates: ResourceTemplates): ActionType['resource'] {
  if (!isMapped(templates)) return 'Tenant';
  return templates.schema === undefined ? 'Project' : 'Schema';
}

/** Groups that are made of the pins, with their members: `SERVER#read-only`, the tools whose pins say that of them. */
export function membersOf(actions: ReadonlyMap<string, ActionType>): ReadonlyMap<string, readonly string[]> {
  const members = new Map<string, string[]>();
  for (const [name, { groups }] of actions)
    for (const group of groups) {
      const known = members.get(group);
      if (known === undefined) members.set(group, [name]);
      else known.push(name);
    }
  return members;
}

function read(tool: PinnedDescriptor): { readonly [name: string]: Json | undefined } {
  const descriptor: Json = JSON.parse(tool.raw);
  return isObject(descriptor) ? descriptor : {};
}
