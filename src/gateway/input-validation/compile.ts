import { Build, Errors } from 'typebox/schema';
import type { PinnedDescriptor, PinnedServer, ToolSettings } from '../../contract/descriptors.ts';
import { isObject, type Json, type JsonObject } from '../../contract/json.ts';
import { MalformedJson, parseStrict } from '../../contract/strict-json.ts';
import { AdditionalProperties, findOpenLevels } from './additional-properties.ts';
import { shownToken } from './json-pointer.ts';
import { asRegExp } from './linear-pattern.ts';
import { SchemaDocument, schemaBounds } from './schema-document.ts';
import { SchemaError } from './schema-error.ts';
import type { SchemaNode } from './schema-node.ts';

/** Evaluations of references for one call: some ten milliseconds. */
const STEPS = 100_000;
const STEPS_TO_EXPLAIN = 5_000;

/** One tool's arguments, ready to be judged. */
export interface CompiledInput {
  /** What is wrong with the arguments, with JSON Pointer and keyword, for the log; undefined: nothing. */
  check(args: JsonObject): string | undefined;
  /** Whether the schema itself lets a value through, strictness aside. */
  fits(value: Json): boolean;
  /** JSON Pointers into the arguments at which strings are code. */
  readonly code: ReadonlySet<string>;
  /** JSON Pointers of the levels of the schema at which properties that nobody declared are let through. */
  readonly open: readonly string[];
}

/**
 * Compiles the pinned inputSchema of one tool: JSON Schema 2020-12 (2019-09, draft-07 and draft-06 where `$schema`
 * says so), strict at every level that declares properties, save those that `settings.open_schema` names.
 * @throws SchemaError when the schema cannot be enforced, or an exception names what is not there
 */
export function compileInput(pin: PinnedDescriptor, settings: ToolSettings): CompiledInput {
  const document = new SchemaDocument(pin.name, inputSchemaOf(pin));
  for (const pointer of settings.open_schema ?? []) openAt(document, pointer);
  const { budget, root } = document;
  for (const pointer of settings.code ?? []) checkDeclared(document, pointer);
  const validators = new Map<SchemaNode, (value: Json) => boolean>();
  const holds = (node: SchemaNode, value: Json): boolean => {
    let validator = validators.get(node);
    if (validator === undefined) {
      validator = compileNode(document, node);
      validators.set(node, validator);
    }
    return validator(value);
  };
  const strictness = new AdditionalProperties(root, holds);
  warmUp(document, () => holds(root, {}));
  return {
    code: new Set(settings.code),
    open: findOpenLevels(root),
    fits(value) {
      budget.left = STEPS;
      return holds(root, value);
    },
    check(args) {
      try {
        return this.fits(args) ? strictness.find(args) : explain(document, args);
      } catch (error) {
        if (error instanceof RangeError) return `/: ${error.message}`;
        throw error;
      }
    },
  };
}

/** The levels of a tool's inputSchema at which undeclared properties pass, for whoever reviews it. @throws SchemaError */
export function openLevels(inputSchema: JsonObject): readonly string[] {
  return findOpenLevels(new SchemaDocument('', inputSchema).root);
}

export interface CompiledInputs {
  /** By action, `SERVER/TOOL`. */
  readonly byAction: ReadonlyMap<string, CompiledInput>;
  /** Tools that cannot be served as they are pinned, each with its reason. */
  readonly refused: readonly { readonly server: string; readonly error: SchemaError }[];
}

interface Described {
  readonly pins: Pick<PinnedServer, 'name' | 'tools'>;
  readonly tools: Readonly<Record<string, ToolSettings>>;
}

/** Compiles every tool of a bundle, once. */
export function compileInputs(servers: readonly Described[]): CompiledInputs {
  const byAction = new Map<string, CompiledInput>();
  const refused: { readonly server: string; readonly error: SchemaError }[] = [];
  for (const { pins, tools } of servers) {
    for (const pin of pins.tools) {
      const settings = Object.hasOwn(tools, pin.name) ? tools[pin.name] : undefined;
      try {
        byAction.set(`${pins.name}/${pin.name}`, compileInput(pin, settings ?? {}));
      } catch (error) {
        if (!(error instanceof SchemaError)) throw error;
        refused.push({ server: pins.name, error });
      }
    }
  }
  return { byAction, refused };
}

function inputSchemaOf(pin: PinnedDescriptor): Json {
  if (Buffer.byteLength(pin.raw, 'utf8') > schemaBounds.bytes) {
    throw new SchemaError(pin.name, '', `descriptor above ${schemaBounds.bytes} bytes`);
  }
  try {
    const { value } = parseStrict(Buffer.from(pin.raw, 'utf8'));
    if (isObject(value) && isObject(value.inputSchema)) return value.inputSchema;
  } catch (error) {
    if (!(error instanceof MalformedJson)) throw error;
    throw new SchemaError(pin.name, '', error.message);
  }
  throw new SchemaError(pin.name, '', 'there is no inputSchema object');
}

function openAt(document: SchemaDocument, pointer: string): void {
  const node = document.nodes.get(pointer);
  if (node === undefined) document.fail(pointer, 'open_schema names no schema that is in use there');
  const closedByAuthor = typeof node.plain === 'object' && node.plain.additionalProperties === false;
  if (!closedByAuthor) node.additional ??= 'open';
}

/** A slip in a name would leave the field that was meant without its exception, and nobody would know why. */
function checkDeclared(document: SchemaDocument, pointer: string): void {
  const { properties, declares } = document.root;
  const first = pointer.split('/')[1]?.replaceAll('~1', '/').replaceAll('~0', '~') ?? '';
  if (declares && !properties.has(first)) document.fail(pointer, 'code names no argument of it');
}

function compileNode(document: SchemaDocument, node: SchemaNode): (value: Json) => boolean {
  const build = Build(document.standalone(node));
  // The validator makes native regular expressions out of `patternProperties`; those may backtrack for ever.
  const { variables } = build.External();
  for (const [index, variable] of variables.entries()) {
    if (!document.hasPatternProperties || !(variable instanceof RegExp)) continue;
    if (Object.getPrototypeOf(variable) === RegExp.prototype && Object.hasOwn(variable, 'test')) continue;
    variables[index] = asRegExp(variable.source, document.linear(variable.source, node.pointer, schemaBounds.steps));
  }
  const evaluated = build.Evaluate();
  return (value) => evaluated.Check(value);
}

/** Compiles now what would otherwise be compiled, or found to be too large, by the first call. */
function warmUp(document: SchemaDocument, run: () => boolean): void {
  document.budget.left = STEPS;
  try {
    run();
  } catch (error) {
    document.fail('', error instanceof RangeError ? 'too large or endless' : String(error));
  }
}

function explain(document: SchemaDocument, args: JsonObject): string {
  // Explaining runs `patternProperties` on native regular expressions.
  if (document.hasPatternProperties) return '/: does not match the schema';
  document.budget.left = STEPS_TO_EXPLAIN;
  const [, errors] = Errors(document.standalone(document.root), args);
  let deepest = errors[0];
  for (const error of errors) {
    if (deepest === undefined || error.instancePath.length > deepest.instancePath.length) deepest = error;
  }
  if (deepest === undefined) return '/: does not match the schema';
  return `${shownPath(deepest.instancePath)}: ${deepest.keyword}: ${deepest.message}`.slice(0, 400);
}

function shownPath(path: string): string {
  if (path === '') return '/';
  return path.length > 200 ? shownToken(path.slice(0, 200)) : path;
}
