import { type Document, isAlias, isMap, isNode, isScalar, isSeq, type Node, visit } from 'yaml';

/** Maps that one look-up may go through over merges, each once: a circle ends. */
const MOST_STEPS = 64;

/** Looks into a document as its reader would: over aliases (YAML 1.2 §7.1) and merge keys. */
export class View {
  /** What each alias stands for: the last node before it that has its anchor. */
  readonly #meant = new Map<unknown, Node>();

  constructor(document: Document) {
    const anchored = new Map<string, Node>();
    visit(document, (_, node) => {
      if (isAlias(node)) {
        const meant = anchored.get(node.source);
        if (meant !== undefined) this.#meant.set(node, meant);
      } else if (isNode(node) && node.anchor !== undefined) anchored.set(node.anchor, node);
    });
  }

  /** What a node stands for. */
  node(value: unknown): Node | undefined {
    let node = value;
    if (isAlias(node)) node = this.#meant.get(node);
    return isNode(node) && !isAlias(node) ? node : undefined;
  }

  /** A member of a map, its own or merged into it. */
  member(map: unknown, key: string, seen = new Set<unknown>()): Node | undefined {
    const node = this.node(map);
    if (!isMap(node) || seen.size === MOST_STEPS || seen.has(node)) return undefined;
    seen.add(node);
    const own = this.node(node.items.find((pair) => this.#keyOf(pair.key) === key)?.value);
    if (own !== undefined) return own;
    for (const pair of node.items) {
      if (this.#keyOf(pair.key) !== '<<') continue;
      for (const merged of this.items(pair.value)) {
        const found = this.member(merged, key, seen);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  /** A key may be an alias too; what is no scalar is no key of what is asked for. */
  #keyOf(key: unknown): string {
    const node = this.node(key);
    return isScalar(node) ? String(node.value) : '';
  }

  at(map: unknown, ...path: readonly string[]): Node | undefined {
    return path.reduce<Node | undefined>((node, key) => this.member(node, key), this.node(map));
  }

  /** What a list has; one thing that is no list is a list of it. */
  items(value: unknown): readonly Node[] {
    const node = this.node(value);
    const list = isSeq(node) ? node.items : node === undefined ? [] : [node];
    return list.flatMap((item) => this.node(item) ?? []);
  }

  /** The members of a map, with those that are merged into it. */
  entries(value: unknown, seen = new Set<unknown>()): readonly (readonly [string, Node])[] {
    const node = this.node(value);
    if (!isMap(node) || seen.size === MOST_STEPS || seen.has(node)) return [];
    seen.add(node);
    return node.items.flatMap(({ key, value: member }) => {
      const name = this.#keyOf(key);
      if (name === '<<') return this.items(member).flatMap((merged) => this.entries(merged, seen));
      const found = this.node(member);
      return found === undefined ? [] : [[name, found] as const];
    });
  }

  /** Text of a scalar; a variable that has a default is its default. */
  text(value: unknown): string {
    const node = this.node(value);
    if (!isScalar(node) || node.value === null) return '';
    return String(node.value).replace(/\$\{\w+:?-([^}]*)\}/g, '$1');
  }

  /** As readers of YAML 1.1 take it too, which most runtimes have. */
  isTrue(value: unknown): boolean {
    return /^(?:true|yes|on|y|1)$/i.test(this.text(value));
  }
}

export type { Node };
