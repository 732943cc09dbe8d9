import { type Policy, preparsePolicySet } from '@cedar-policy/cedar-wasm/nodejs';

/**
 * Cedar keeps parsed policy sets per thread, by an id, and never lets go of one: ids are used again when the engine
 * that held them is gone.
 */
const free: string[] = [];
let made = 0;
const gone = new FinalizationRegistry<string[]>((ids) => {
  free.push(...ids);
});

/** The parsed sets of one engine. */
export class PolicySets {
  readonly #ids: string[] = [];

  constructor() {
    gone.register(this, this.#ids);
  }

  /**
   * Parses a set and returns the id to ask it by.
   * @throws Error when Cedar cannot parse it
   */
  add(policies: Readonly<Record<string, Policy>>): string {
    const id = free.pop() ?? `innerkeep-${++made}`;
    this.#ids.push(id);
    const answer = preparsePolicySet(id, { staticPolicies: { ...policies } });
    if (answer.type === 'failure') throw new Error(answer.errors.map(({ message }) => message).join('; '));
    return id;
  }
}
