import type { Policy } from '@cedar-policy/cedar-wasm/nodejs';
import type { Approver } from '../../../contract/policy-engine.ts';
import { ExactCache } from '../host/cache.ts';
import { type ComparedArgument, mergeCompared } from '../host/compared.ts';
import { comparedArguments } from './compared-arguments.ts';
import { conditionsOf } from './expressions.ts';
import { byActionAndResource, byPrincipal } from './policy-index.ts';
import type { PolicySets } from './policy-sets.ts';
import { type Known, mergeReads, type Reads, readsOf } from './reads.ts';
import { holds, type Placed, partScope } from './scope.ts';
import type { ParsedPolicy } from './sources.ts';
import { concerns, type UnknownResource, withoutArguments } from './visibility.ts';

/** Policies that are kept parsed, over all slices: some 2 kB each. */
const PARSED = 40_000;
const MAX_JSON_DEPTH = 100;
/** Actions with a resource whose policies are kept together. */
const TOPICS = 4096;

/** The policies about an action and a resource. */
export interface Topic {
  /** Arguments that some of them compare as paths or URLs. */
  readonly compared: readonly ComparedArgument[];
  /** What they read of the arguments. */
  readonly args: Reads['args'];
  readonly wanted: Reads['wanted'];
  /** Those whose scope is true of a principal, or all of them. */
  readonly sliceOf: (principal: Placed) => Slice;
}

/** What a question is about: one entity, or some entity of a type in a tenant, which the arguments will tell. */
export type About = Placed | UnknownResource;

/** Policies that are asked together; those left away could not have been evaluated. */
export class Slice {
  /** No two slices of an engine share it, nor do one that is gone and one that is made anew. */
  readonly id: string;
  /** Without a permit nothing can be allowed. */
  readonly permits: boolean;
  readonly reads: Reads;
  /** Policies of the set that knows no arguments that are not merely estimates. */
  readonly exact = new Set<string>();
  readonly #policies: readonly ParsedPolicy[];
  readonly #sets: PolicySets;
  readonly #unknown: UnknownResource | undefined;
  #asked: string | undefined;
  #decide: string | undefined;
  #visible: string | undefined;

  constructor(
    id: string,
    policies: readonly ParsedPolicy[],
    reads: Reads,
    sets: PolicySets,
    unknown: UnknownResource | undefined,
  ) {
    this.id = id;
    this.#unknown = unknown;
    this.#policies = policies;
    this.#sets = sets;
    this.permits = policies.some(({ json }) => json.effect === 'permit');
    this.reads = reads;
  }

  /** Id of the parsed set that decides. @throws Error when Cedar cannot parse it */
  get decide(): string {
    this.#decide ??= this.#sets.add(Object.fromEntries(this.#policies.map((policy) => [policy.id, toParse(policy)])));
    return this.#decide;
  }

  /** Id of the parsed set without what a person may lift. @throws Error when Cedar cannot parse it */
  get asked(): string {
    const kept = this.#policies.filter(({ ask }) => ask === undefined);
    this.#asked ??= this.#sets.add(Object.fromEntries(kept.map((policy) => [policy.id, toParse(policy)])));
    return this.#asked;
  }

  /** Who may lift all of these denials; undefined: nobody. What only the operator may lift, the caller may not. */
  askedBy(denials: readonly string[]): Approver | undefined {
    const of = denials.map((id) => this.#policies.find((policy) => policy.id === id)?.ask);
    if (of.length === 0 || of.includes(undefined)) return undefined;
    return of.includes('operator') ? 'operator' : 'caller';
  }

  /** Id of the parsed set that knows no arguments. @throws Error when Cedar cannot parse it */
  get visible(): string {
    this.#visible ??= this.#sets.add(this.#withoutArguments());
    return this.#visible;
  }

  drop(): void {
    for (const id of [this.#decide, this.#asked, this.#visible]) if (id !== undefined) this.#sets.drop(id);
    this.#decide = this.#asked = this.#visible = undefined;
  }

  #withoutArguments(): Readonly<Record<string, Policy>> {
    const derived: Record<string, Policy> = {};
    // What a person may lift hides nothing.
    for (const { id, json, text } of this.#policies.filter(({ ask }) => ask === undefined))
      for (const [index, { policy, exact }] of withoutArguments(json, text, this.#unknown).entries()) {
        derived[`${id}~${index}`] = policy;
        if (exact) this.exact.add(`${id}~${index}`);
      }
    return derived;
  }
}

/** Finds the policies about an action and a resource; equal lists of policies share a slice, parsed when first asked. */
export function slicer(
  policies: readonly ParsedPolicy[],
  members: ReadonlyMap<string, readonly string[]>,
  sets: PolicySets,
  known: Known,
): (action: string, about: About) => Topic {
  const find = byActionAndResource(policies, members);
  const reads = policies.map(({ json }) => lazily(() => readsOf(json, known)));
  const compared = policies.map(({ json }) => lazily(() => comparedArguments(conditionsOf(json))));
  const topics = new ExactCache<Topic>(TOPICS, Number.POSITIVE_INFINITY);
  const slices = new ExactCache<Slice>(PARSED, Number.POSITIVE_INFINITY, (slice) => slice.drop());

  let made = 0;
  const sliceOf = (among: readonly number[], unknown: UnknownResource | undefined): Slice => {
    const list = `${unknown ? `${unknown.type} of ${unknown.tenant}: ` : ''}${among.join()}`;
    const kept = slices.get(list);
    if (kept) return kept;
    const merged = mergeReads(among.flatMap((at) => reads[at]?.() ?? []));
    const slice = new Slice(
      String(++made),
      among.flatMap((at) => policies[at] ?? []),
      merged,
      sets,
      unknown,
    );
    slices.set(list, slice, 1 + among.length);
    return slice;
  };

  return (action, about) => {
    const unknown = 'name' in about ? undefined : about;
    const key = JSON.stringify([action, 'name' in about ? about.name : about]);
    const kept = topics.get(key);
    if (kept) return kept;
    const all = find(action, (policy) =>
      'name' in about ? holds(partScope(policy.resource), about) : concerns(policy, about),
    );
    const narrow = byPrincipal(policies, all);
    const { args, wanted } = mergeReads(all.flatMap((at) => reads[at]?.() ?? []));
    const topic: Topic = {
      compared: mergeCompared(all.flatMap((at) => compared[at]?.() ?? [])),
      args,
      wanted,
      sliceOf: (principal) => sliceOf(narrow(principal), unknown),
    };
    topics.set(key, topic);
    return topic;
  };
}

/** Cedar takes its own JSON in two thirds of the time that a text needs, but none that is 128 levels deep. */
function toParse({ json, text }: ParsedPolicy): Policy {
  return depthOf(json) < MAX_JSON_DEPTH ? json : text;
}

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Object.values(value).reduce<number>((most, part) => Math.max(most, depthOf(part)), 0);
}

function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
