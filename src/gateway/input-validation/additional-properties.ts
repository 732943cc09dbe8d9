import { isObject, type Json, type JsonObject } from '../../contract/json.ts';
import { shownToken } from './json-pointer.ts';
import { closure, type SchemaNode } from './schema-node.ts';

/** Does the value hold against this one schema? Only asked of alternatives and conditions. */
export type Holds = (node: SchemaNode, value: Json) => boolean;

/**
 * Finds a property that no schema describes, at any level whose schemas declare properties.
 *
 * It works as if `unevaluatedProperties: false` stood at each such level (JSON Schema Core 2020-12 §11.3), but
 * gathers what describes a level from everywhere: two members of an `allOf` that each describe a part of the same
 * nested object are read together, where a keyword in either would refuse the other's part. It only ever refuses
 * what the schema itself lets through, so that it is right beside `oneOf` and `not`, where closing a schema in
 * place would let more through.
 */
export class AdditionalProperties {
  readonly #root: SchemaNode;
  readonly #holds: Holds;
  readonly #relevant = new Map<SchemaNode, boolean>();
  /** All that is applied beside a node, where no value has to be asked. */
  readonly #fixed = new Map<SchemaNode, readonly SchemaNode[] | undefined>();

  constructor(root: SchemaNode, holds: Holds) {
    this.#root = root;
    this.#holds = holds;
  }

  /** Where the first such property is, for the log; undefined: there is none. The value has passed the schema. */
  find(value: Json): string | undefined {
    return this.#walk(value, [this.#root]);
  }

  #walk(value: Json, described: readonly SchemaNode[]): string | undefined {
    if (isArray(value)) return this.#walkArray(value, this.#level(described, value));
    if (isObject(value)) return this.#walkObject(value, this.#level(described, value));
    return undefined;
  }

  #walkObject(value: JsonObject, level: readonly SchemaNode[]): string | undefined {
    for (const key of Object.keys(value)) {
      const member = value[key];
      const isScalar = typeof member !== 'object' || member === null;
      if (isScalar && isProperty(level, key)) continue;
      const below: SchemaNode[] = [];
      const open = describe(level, key, below);
      const closed = below.length > 0 || open ? undefined : level.find((node) => node.declares);
      if (closed !== undefined) {
        return `/${shownToken(key)}: additional property, not declared at schema ${closed.pointer || '/'}`;
      }
      if (below.length === 0 || isScalar) continue;
      const found = this.#walk(member, below);
      if (found !== undefined) return `/${shownToken(key)}${found}`;
    }
    return undefined;
  }

  #walkArray(value: readonly Json[], level: readonly SchemaNode[]): string | undefined {
    if (!level.some((node) => node.items !== undefined || node.prefix.length > 0)) return undefined;
    for (let index = 0; index < value.length; index++) {
      const element = value[index];
      if (typeof element !== 'object' || element === null) continue;
      const below = level.map((node) => node.prefix[index] ?? node.items).filter((node) => node !== undefined);
      const found = this.#walk(element, below);
      if (found !== undefined) return `/${index}${found}`;
    }
    return undefined;
  }

  /** All schemas that are applied to the value and hold. */
  #level(nodes: readonly SchemaNode[], value: Json): readonly SchemaNode[] {
    const [only] = nodes;
    if (nodes.length === 1 && only !== undefined) {
      const fixed = this.#fixedLevel(only);
      if (fixed !== undefined) return fixed;
    }
    const level = new Set<SchemaNode>();
    for (const node of nodes) this.#expand(node, value, level);
    return [...level];
  }

  #fixedLevel(node: SchemaNode): readonly SchemaNode[] | undefined {
    if (!this.#fixed.has(node)) {
      const all = [...closure(node)];
      const asks = all.some(
        (one) => one.alternatives.length > 0 || one.condition !== undefined || one.dependents.size > 0,
      );
      this.#fixed.set(node, asks ? undefined : all);
    }
    return this.#fixed.get(node);
  }

  #expand(node: SchemaNode, value: Json, level: Set<SchemaNode>): void {
    if (level.has(node)) return;
    level.add(node);
    for (const other of node.conjuncts) this.#expand(other, value, level);
    for (const other of node.alternatives) {
      if (this.#isRelevant(other) && this.#holds(other, value)) this.#expand(other, value, level);
    }
    if (node.condition !== undefined) this.#expandCondition(node.condition, value, level);
    for (const [name, other] of node.dependents) {
      if (isObject(value) && Object.hasOwn(value, name)) this.#expand(other, value, level);
    }
  }

  #expandCondition(
    { test, then, otherwise }: NonNullable<SchemaNode['condition']>,
    value: Json,
    level: Set<SchemaNode>,
  ): void {
    const holds = this.#holds(test, value);
    for (const node of holds ? [test, then] : [otherwise]) if (node !== undefined) this.#expand(node, value, level);
  }

  /** Whether a schema describes anything inside a value; `{"type": "null"}` and `{"required": …}` do not. */
  #isRelevant(node: SchemaNode): boolean {
    let relevant = this.#relevant.get(node);
    if (relevant === undefined) {
      relevant = [...closure(node)].some((one) => one.declares || one.additional === 'open' || one.below().length > 0);
      this.#relevant.set(node, relevant);
    }
    return relevant;
  }
}

/** Most members are, and of a value without members nothing more is asked. */
function isProperty(level: readonly SchemaNode[], key: string): boolean {
  for (const { properties } of level) if (properties.has(key)) return true;
  return false;
}

/** Adds the schemas that describe the member `key`; true: an author or operator wants anything there. */
function describe(level: readonly SchemaNode[], key: string, below: SchemaNode[]): boolean {
  let open = false;
  for (const node of level) {
    const before = below.length;
    const property = node.properties.get(key);
    if (property !== undefined) below.push(property);
    for (const { pattern, node: child } of node.patterns) if (pattern.test(key)) below.push(child);
    if (below.length > before || node.additional === undefined) continue;
    if (node.additional === 'open') open = true;
    else below.push(node.additional);
  }
  if (below.length === 0 && !open) {
    for (const { unevaluated } of level) if (unevaluated !== undefined) below.push(unevaluated);
  }
  return open;
}

/** Where a level that is reached from `root` lets properties in that nobody declared; JSON Pointers, the root as ``. */
export function findOpenLevels(root: SchemaNode): readonly string[] {
  const open: string[] = [];
  const seen = new Set<SchemaNode>();
  const queue = [root];
  for (let node = queue.pop(); node !== undefined; node = queue.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    const level = [...closure(node)];
    if (isOpen(node, level)) open.push(node.pointer);
    queue.push(...level.flatMap((one) => one.below()));
  }
  return open.sort();
}

function isOpen(node: SchemaNode, level: readonly SchemaNode[]): boolean {
  if (level.some(({ additional, unevaluated }) => (additional ?? unevaluated) !== undefined)) return true;
  if (admits(node, 'object') && !level.some(({ declares }) => declares)) return true;
  const describesElements = level.some(({ items, prefix }) => items !== undefined || prefix.length > 0);
  return level.some(({ types }) => types?.includes('array')) && admits(node, 'array') && !describesElements;
}

/** Whether a value of that type could pass, as far as `type`, `const` and `enum` tell. Each schema is asked once. */
function admits(node: SchemaNode, type: string, asked = new Map<SchemaNode, boolean>()): boolean {
  const known = asked.get(node);
  if (known !== undefined) return known;
  // What leads back here while it is being asked says nothing more.
  asked.set(node, true);
  const own = node.plain !== false && !node.literal && (node.types === undefined || node.types.includes(type));
  const all = own && node.conjuncts.every((other) => admits(other, type, asked));
  const any = node.alternatives.length === 0 || node.alternatives.some((other) => admits(other, type, asked));
  asked.set(node, all && any);
  return all && any;
}

function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}
