import { isObject, type Json, type JsonObject } from '../../contract/json.ts';
import { applicators } from './applicators.ts';
import { assertions } from './assertions.ts';
import { escapeToken, shownToken } from './json-pointer.ts';
import { asRegExp, type LinearPattern, linearPattern } from './linear-pattern.ts';
import { expandedSize } from './pattern-size.ts';
import { SchemaError } from './schema-error.ts';
import { type PlainSchema, SchemaNode } from './schema-node.ts';

/** What one schema may cost before anybody calls the tool. */
export const schemaBounds = {
  bytes: 256 * 1024,
  schemas: 4000,
  references: 1000,
  patterns: 200,
  steps: 20_000,
} as const;

/** UTF-16 units. */
const MAX_PATTERN = 4096;

const DEFINITIONS = '#/$defs/';

const DIALECT = /^https?:\/\/json-schema\.org\/(draft\/2020-12|draft\/2019-09|draft-07|draft-06)\/schema#?$/;

/**
 * Reads one inputSchema into nodes: each keyword checked for its form, references resolved within the document,
 * older dialects (2019-09, draft-07, draft-06) rewritten as 2020-12. Nothing is ever fetched.
 */
export class SchemaDocument {
  readonly tool: string;
  readonly root: SchemaNode;
  /** By JSON Pointer; only what can be reached from the root. */
  readonly nodes = new Map<string, SchemaNode>();
  /** Evaluated by a native RegExp inside the validator unless its variables are exchanged. */
  hasPatternProperties = false;
  /** Evaluations of references left for the call in progress: recursion times alternatives would be exponential. */
  readonly budget = { left: 0 };
  readonly #source: Json;
  readonly #id: string | undefined;
  readonly #refSiblings: boolean;
  readonly #definitions = new Map<SchemaNode, string>();
  readonly #anchors = new Map<string, { readonly schema: Json; readonly pointer: string }>();
  #references = 0;
  #patterns = 0;
  #steps = 0;

  /** @throws SchemaError */
  constructor(tool: string, source: Json) {
    this.tool = tool;
    this.#source = source;
    const dialect = isObject(source) ? source.$schema : undefined;
    const known = typeof dialect === 'string' ? DIALECT.exec(dialect) : undefined;
    if (dialect !== undefined && !known) this.fail('/$schema', 'unknown dialect; it is not fetched');
    // Up to draft-07 a reference hides what stands beside it.
    this.#refSiblings = !known?.[1]?.startsWith('draft-0');
    const id = isObject(source) ? source.$id : undefined;
    this.#id = typeof id === 'string' ? id.replace(/#$/, '') : undefined;
    this.#collectAnchors(source, '');
    this.root = this.read(source, '');
  }

  fail(pointer: string, why: string): never {
    throw new SchemaError(this.tool, pointer, why);
  }

  /** Refuses a property name that the validator would find in every object, by inheritance. */
  checkName(name: string, pointer: string): void {
    const safe = name === '__proto__' || name === 'constructor';
    if (!safe && name in Object.prototype)
      this.fail(pointer, `a property named ${name} cannot be told from JavaScript's own`);
  }

  /** The node of the schema at `pointer`; each is read once. */
  read(schema: Json | undefined, pointer: string): SchemaNode {
    const known = this.nodes.get(pointer);
    if (known !== undefined) return known;
    if (this.nodes.size >= schemaBounds.schemas) this.fail('', `more than ${schemaBounds.schemas} schemas`);
    const node = new SchemaNode(pointer);
    this.nodes.set(pointer, node);
    if (typeof schema === 'boolean') node.plain = schema;
    else if (isObject(schema)) this.#fill(node, schema);
    else this.fail(pointer, 'not a schema');
    return node;
  }

  #fill(node: SchemaNode, schema: JsonObject): void {
    const { pointer } = node;
    if (pointer !== '' && typeof schema.$id === 'string' && !schema.$id.startsWith('#')) {
      this.fail(`${pointer}/$id`, 'a schema with an identity of its own inside another is not supported');
    }
    // In place before it is filled: a cycle may lead back here, and must find this and not a permissive stand-in.
    const plain: PlainSchema = {};
    node.plain = plain;
    const reference = schema.$ref ?? schema.$dynamicRef ?? schema.$recursiveRef;
    if (reference === undefined || this.#refSiblings) {
      for (const [keyword, check] of Object.entries(assertions)) {
        const value = schema[keyword];
        if (value === undefined) continue;
        const why = check(value);
        if (why !== undefined) this.fail(`${pointer}/${keyword}`, why);
        plain[keyword] = value;
      }
      if (typeof plain.pattern === 'string')
        plain.pattern = asRegExp(plain.pattern, this.pattern(plain.pattern, `${pointer}/pattern`));
      if (Array.isArray(schema.required)) {
        for (const name of schema.required) this.checkName(String(name), `${pointer}/required`);
      }
      node.types = typesOf(schema.type);
      node.literal = schema.const !== undefined || schema.enum !== undefined;
      applicators(this, node, schema, plain);
    }
    for (const keyword of ['$ref', '$dynamicRef', '$recursiveRef']) {
      const target = schema[keyword];
      if (target !== undefined) this.#refer(node, target, `${pointer}/${keyword}`, plain);
    }
  }

  /** One of the schema's own patterns. @throws SchemaError where there are too many, or it cannot run in linear time */
  pattern(source: string, pointer: string): LinearPattern {
    if (++this.#patterns > schemaBounds.patterns) this.fail(pointer, `more than ${schemaBounds.patterns} patterns`);
    if (source.length > MAX_PATTERN) this.fail(pointer, `pattern longer than ${MAX_PATTERN}`);
    this.#steps += expandedSize(source).steps;
    if (this.#steps > schemaBounds.steps) this.fail(pointer, 'patterns of too many steps in all');
    return this.linear(source, pointer);
  }

  /** @throws SchemaError where it cannot run in linear time */
  linear(source: string, pointer: string, maxSteps?: number): LinearPattern {
    try {
      return linearPattern(source, maxSteps);
    } catch (error) {
      return this.fail(pointer, `pattern refused: ${error instanceof Error ? error.message : 'unknown'}`);
    }
  }

  /** The name under which `definitions()` holds the node. */
  define(node: SchemaNode): string {
    const name = this.#definitions.get(node) ?? `s${this.#definitions.size}`;
    this.#definitions.set(node, name);
    return name;
  }

  /** A schema that is that node, with all that it refers to, and nothing else: a validator reads all that it is given. */
  standalone(node: SchemaNode): PlainSchema {
    const name = this.define(node);
    const byName = new Map(
      [...this.#definitions].map(([one, its]) => [`${DEFINITIONS}${its}`, { its, plain: one.plain }]),
    );
    const used: PlainSchema = {};
    const queue: unknown[] = [{ $ref: DEFINITIONS + name }];
    for (let part = queue.pop(); part !== undefined; part = queue.pop()) {
      if (typeof part !== 'object' || part === null || part instanceof RegExp) continue;
      for (const [key, value] of Object.entries(part)) {
        const target = key === '$ref' && typeof value === 'string' ? byName.get(value) : undefined;
        if (target === undefined) queue.push(value);
        else if (!Object.hasOwn(used, target.its)) {
          used[target.its] = target.plain;
          queue.push(target.plain);
        }
      }
    }
    return { $ref: DEFINITIONS + name, $defs: used };
  }

  #refer(node: SchemaNode, reference: Json, pointer: string, plain: PlainSchema): void {
    if (typeof reference !== 'string') this.fail(pointer, 'a reference is a string');
    if (++this.#references > schemaBounds.references)
      this.fail(pointer, `more than ${schemaBounds.references} references`);
    const target = this.#resolve(reference, pointer);
    node.conjuncts.push(target);
    const spend = { check: () => this.#spend(), error: () => 'too many steps' };
    const own = Array.isArray(plain.allOf) ? plain.allOf : [];
    plain.allOf = [{ '~refine': [spend] }, { $ref: DEFINITIONS + this.define(target) }, ...own];
  }

  #spend(): boolean {
    if (--this.budget.left < 0) throw new RangeError('the schema takes too many steps for this value');
    return true;
  }

  #resolve(reference: string, pointer: string): SchemaNode {
    const [base = '', fragment = ''] = reference.split('#', 2);
    if (base !== '' && base !== this.#id) this.fail(pointer, 'points outside of the schema; nothing is fetched');
    const decoded = decodeFragment(fragment);
    if (decoded === undefined) this.fail(pointer, 'not a URI fragment');
    if (decoded !== '' && !decoded.startsWith('/')) {
      const anchor = this.#anchors.get(decoded) ?? this.fail(pointer, 'names an anchor that is not there');
      return this.read(anchor.schema, anchor.pointer);
    }
    let at: Json | undefined = this.#source;
    let normal = '';
    for (const raw of decoded.split('/').slice(1)) {
      const token = raw.replaceAll('~1', '/').replaceAll('~0', '~');
      at = Array.isArray(at) || isObject(at) ? ownMember(at, token) : undefined;
      normal += `/${escapeToken(token)}`;
    }
    if (at === undefined) this.fail(pointer, 'points to nothing');
    return this.read(at, normal);
  }

  #collectAnchors(value: Json, pointer: string): void {
    if (Array.isArray(value)) {
      for (const [index, element] of value.entries()) this.#collectAnchors(element, `${pointer}/${index}`);
    } else if (isObject(value)) {
      for (const name of [value.$anchor, value.$dynamicAnchor, fragmentId(value.$id)]) {
        if (typeof name !== 'string' || this.#anchors.get(name)?.pointer === pointer) continue;
        if (this.#anchors.has(name)) this.fail(pointer, `anchor ${shownToken(name)} is there twice`);
        this.#anchors.set(name, { schema: value, pointer });
      }
      for (const [key, member] of Object.entries(value)) this.#collectAnchors(member, `${pointer}/${escapeToken(key)}`);
    }
  }
}

function ownMember(container: readonly Json[] | JsonObject, token: string): Json | undefined {
  return Object.entries(container).find(([key]) => key === token)?.[1];
}

function fragmentId(id: Json | undefined): string | undefined {
  return typeof id === 'string' && id.length > 1 && id.startsWith('#') ? id.slice(1) : undefined;
}

function decodeFragment(fragment: string): string | undefined {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return undefined;
  }
}

function typesOf(type: Json | undefined): readonly string[] | undefined {
  if (typeof type === 'string') return [type];
  return Array.isArray(type) ? type.filter((one) => typeof one === 'string') : undefined;
}
