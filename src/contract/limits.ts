import type { Watch } from './breaker.ts';

/**
 * A token bucket, as the generic cell rate algorithm keeps it (ITU-T I.371 annex A): it holds `burst` tokens, and gets
 * one more each `interval` milliseconds.
 */
export interface Bucket extends RateLimit {
  readonly key: string;
}

/** `rate` and `burst` of the configuration; a `Bucket` without its key. */
export interface RateLimit {
  readonly interval: number;
  readonly burst: number;
}

/** What the operator allows. */
export interface Limits {
  readonly perSubject: RateLimit;
  /** Of all subjects of a tenant together; absent: each subject's own is all. */
  readonly perTenant?: RateLimit;
  /** Of failed authentications of one source address, at one gateway. */
  readonly perSource: RateLimit;
  /** Of answers; absent: no bound. */
  readonly context?: ContextLimit | undefined;
  readonly inFlight: FlightLimits;
  /** What all calls of one subject may cost together; of one tenant. */
  readonly subjectBudget?: Allowance;
  readonly tenantBudget?: Allowance;
  readonly away?: AwayAllowance;
}

/** What one gateway may let through by itself while the shared store is away. */
export interface AwayAllowance {
  /** Of each bucket: more than 0, 1 at most. */
  readonly share: number;
  /** Micro-dollars in one day (UTC). */
  readonly daily: number;
}

/** Bytes of answers that one session is given; without a session, its subject in each `window` of milliseconds. */
export interface ContextLimit {
  readonly bytes: number;
  readonly window: number;
}

/** How many calls one gateway has in flight, from their admission to their end. */
export interface FlightLimits {
  readonly total: number;
  readonly perServer: number;
}

/** Micro-dollars in a day and in a month (UTC); absent: no bound. */
export interface Allowance {
  readonly daily?: number | undefined;
  readonly monthly?: number | undefined;
}

/** What a tool costs. Texts are CEL expressions that give dollars. One that has no price at all is never called. */
export interface ToolCost extends Allowance {
  /** Before the call: micro-dollars, or an expression over `args`. */
  readonly price?: number | string | undefined;
  /** After the call: an expression over `args` and `result`. */
  readonly actual?: string | undefined;
  /** The server itself tells it before the call. */
  readonly dryRun?: DryRun | undefined;
  /** Micro-dollars that one call may cost. */
  readonly max?: number | undefined;
}

/** A call that does nothing but say what another one would cost. */
export interface DryRun {
  /** Of the same server; absent: the tool itself. */
  readonly tool?: string | undefined;
  /** Arguments that make it one; they take the place of the caller's. */
  readonly with?: Readonly<Record<string, string | number | boolean>> | undefined;
  /** An expression over `args` of the call and `result` of its dry run. */
  readonly usd: string;
}

/** Money for one period. All amounts are whole micro-dollars. */
export interface Budget {
  /** Names the period too: another one begins with nothing spent. */
  readonly key: string;
  readonly limit: number;
  /** Milliseconds for which it is remembered without being touched; longer than its period. */
  readonly ttl: number;
}

/** What one call asks for, all of it or nothing. */
export interface Demand {
  /** The caller's own. */
  readonly own: Bucket;
  /**
   * What many callers share. While less than half of it is left, nobody gets more of what it gets in a slot of `FAIR_SLOT`
   * milliseconds than his part, evenly over the slot: one that asks often leaves the others theirs.
   */
  readonly shared?: Bucket | undefined;
  readonly further: readonly Bucket[];
  /** The breakers that must let it through. */
  readonly watch?: Watch | undefined;
  /** What may pass while the store is away; absent: nothing. */
  readonly away?: AwayAllowance | undefined;
  readonly reserve?: Reservation | undefined;
}

export interface Reservation {
  /** Unique, so that it is settled once. */
  readonly id: string;
  readonly amount: number;
  readonly budgets: readonly Budget[];
}

/** Milliseconds. */
export const FAIR_SLOT = 10_000;

export type Taken =
  /** `isProbe`: a breaker that was open is tried by it. */
  | { readonly kind: 'taken'; readonly isProbe: boolean }
  /** The bucket that has no token, and milliseconds until it has. Nothing was taken. */
  | { readonly kind: 'rate'; readonly key: string; readonly wait: number }
  /** The breaker that is open, and milliseconds until somebody may try it. Nothing was taken. */
  | { readonly kind: 'open'; readonly key: string; readonly wait: number }
  /** The budget that has not so much left. The tokens are taken: an attempt is one. */
  | { readonly kind: 'budget'; readonly key: string; readonly spent: number; readonly held: number };

/** What a reserved call turned out to cost; nothing where it did not happen. */
export interface Settlement extends Reservation {
  readonly actual: number;
}

/** What a budget has come to by a settlement. */
export interface Spending extends Budget {
  readonly spent: number;
  /** The highest of `WARNINGS` that this settlement has reached, and none before it. */
  readonly reached?: number | undefined;
}

/** Percent of a budget at which its owner is told. */
export const WARNINGS: readonly number[] = [50, 80, 95, 100];
