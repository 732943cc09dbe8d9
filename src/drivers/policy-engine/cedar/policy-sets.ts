import { type Policy, preparsePolicySet } from '@cedar-policy/cedar-wasm/nodejs';

/**
 * Cedar keeps parsed policy sets per thread, by an id, and never lets go of one: an id is used again when its set, or
 * the engine that held it, is gone.
 */
const free: string[] = [];
let made = 0;
const gone = new FinalizationRegistry<Set<string>>((ids) => {
  for (const id of ids) release(id);
});

/** The parsed sets of one engine. */
export class PolicySets {
  readonly #ids = new Set<string>();

  constructor() {
    gone.register(this, this.#ids);
  }

  /**
   * Parses a set and returns the id to ask it by.
   * @throws Error when Cedar cannot parse it
   */
  add(policies: Readonly<Record<string, Policy>>): string {
    const id = free.pop() ?? `innerkeep-${++made}`;
    this.#ids.add(id);
    const answer = preparsePolicySet(id, { staticPolicies: { ...policies } });
    if (answer.type === 'failure') throw new Error(answer.errors.map(({ message }) => message).join('; '));
    return id;
  }

  /** Nobody asks this one any more. */
  drop(id: string): void {
    if (this.#ids.delete(id)) release(id);
  }
}

/** What stays is a set that permits nothing, and takes no room. */
function release(id: string): void {
  preparsePolicySet(id, { staticPolicies: {} });
  free.push(id);
}
