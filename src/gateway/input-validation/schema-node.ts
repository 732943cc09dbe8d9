import type { LinearPattern } from './linear-pattern.ts';

/** What a validator is compiled from: the known keywords of a schema, nothing else. */
export type PlainSchema = Record<string, unknown>;

/**
 * One schema of a document, with the way to all that is applied beside it and below it.
 * Plain mutable fields: a document is built in one go and is shared and cyclic.
 */
export class SchemaNode {
  /** JSON Pointer of the schema in the document, as its author wrote it. */
  readonly pointer: string;
  /** The schema as the validator gets it. */
  plain: PlainSchema | boolean = true;

  /** Applied to the same value: `allOf` and what a `$ref` points to. */
  readonly conjuncts: SchemaNode[] = [];
  /** Applied to the same value if they hold: `anyOf`, `oneOf`. */
  readonly alternatives: SchemaNode[] = [];
  condition:
    | { readonly test: SchemaNode; readonly then: SchemaNode | undefined; readonly otherwise: SchemaNode | undefined }
    | undefined;
  /** Applied to the same value if it has the property. */
  readonly dependents = new Map<string, SchemaNode>();

  readonly properties = new Map<string, SchemaNode>();
  readonly patterns: { readonly pattern: LinearPattern; readonly node: SchemaNode }[] = [];
  /** Says which properties there are, so that all others are additional. */
  declares = false;
  /** What the author wants all other properties to be; `open`: anything. */
  additional: SchemaNode | 'open' | undefined;
  /** By `unevaluatedProperties`: only for what no schema beside it describes. */
  unevaluated: SchemaNode | undefined;

  readonly prefix: SchemaNode[] = [];
  items: SchemaNode | undefined;

  /** Types that it lets through; undefined: any. */
  types: readonly string[] | undefined;
  /** By `const` or `enum`: its author wrote out every value. */
  literal = false;

  constructor(pointer: string) {
    this.pointer = pointer;
  }

  /** Everything that may be applied to the same value. */
  beside(): SchemaNode[] {
    const { test, then, otherwise } = this.condition ?? {};
    const conditional = [test, then, otherwise].filter((node) => node !== undefined);
    return [...this.conjuncts, ...this.alternatives, ...conditional, ...this.dependents.values()];
  }

  /** Everything that may be applied to a member or an element of the value. */
  below(): SchemaNode[] {
    const { additional, unevaluated, items } = this;
    const rest = [additional === 'open' ? undefined : additional, unevaluated, items].filter(
      (node) => node !== undefined,
    );
    return [...this.properties.values(), ...this.patterns.map(({ node }) => node), ...rest, ...this.prefix];
  }
}

/** The node, and all that may be applied beside it. */
export function closure(node: SchemaNode, found = new Set<SchemaNode>()): Set<SchemaNode> {
  if (found.has(node)) return found;
  found.add(node);
  for (const other of node.beside()) closure(other, found);
  return found;
}
