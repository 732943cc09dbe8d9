import type { SessionFacts, ToolFacts } from '../../contract/policy-engine.ts';

/** A call that goes on its way. */
export interface Entry {
  readonly action: string;
  readonly tool: ToolFacts;
  /** A person has approved it. */
  readonly approved: boolean;
}

/** What has happened in one session. Labels and actions are those of configuration and pins, so that it is small. */
export class History {
  readonly #reads = new Set<string>();
  readonly #writes = new Set<string>();
  readonly #approved = new Set<string>();
  readonly #calls = new Map<string, number>();
  /** Of the calls, those that nobody else knows of. */
  readonly #own = new Map<string, number>();
  /** Milliseconds since the epoch. */
  last: number;

  constructor(last: number, facts?: Partial<SessionFacts>) {
    this.last = last;
    if (facts !== undefined) this.learn(facts);
  }

  get facts(): SessionFacts {
    return {
      ...{ reads: [...this.#reads], writes: [...this.#writes], approved: [...this.#approved] },
      calls: Object.fromEntries(this.#calls),
    };
  }

  enter({ action, tool, approved }: Entry): void {
    this.learn({ reads: tool.reads, writes: tool.writes, approved: approved ? [action] : [] });
    for (const counts of [this.#calls, this.#own]) counts.set(action, (counts.get(action) ?? 0) + 1);
  }

  /** Takes in what somebody else knows of it. */
  learn({ reads = [], writes = [], approved = [], calls = {} }: Partial<SessionFacts>): void {
    for (const label of reads) this.#reads.add(label);
    for (const label of writes) this.#writes.add(label);
    for (const action of approved) this.#approved.add(action);
    for (const [action, count] of Object.entries(calls)) {
      const own = this.#own.get(action) ?? 0;
      this.#calls.set(action, Math.max((this.#calls.get(action) ?? 0) - own, count) + own);
    }
  }

  /** Others know all of it now. */
  told(): void {
    this.#own.clear();
  }

  /** Whether all that another one says is in it, but for how often something was called. */
  covers({ reads, writes, approved }: SessionFacts): boolean {
    return (
      reads.every((label) => this.#reads.has(label)) &&
      writes.every((label) => this.#writes.has(label)) &&
      approved.every((action) => this.#approved.has(action))
    );
  }
}
