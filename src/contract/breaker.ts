/**
 * A circuit breaker at one level: of a tool for everybody, for one tenant, or for one subject. It is judged by the calls
 * of the current slot of time and of the one before.
 */
export interface BreakerLevel {
  readonly key: string;
  /** Whose call it is, among those who share the breaker: none of them opens it alone. Absent: it is one caller's own. */
  readonly party?: string;
}

/** What one call is asked, and tells, the breakers of. */
export interface Watch {
  /** Unique, so that a probe is known by it. */
  readonly id: string;
  readonly levels: readonly BreakerLevel[];
}

/** A call that the breakers have let through. */
export interface Watched extends Watch {
  /** By it a breaker that was open finds out whether it may close; others wait until it is over. */
  readonly isProbe: boolean;
}

/** What came of a call that its server had. */
export interface Seen {
  /** The server took longer than the tool's 99th percentile may be. */
  readonly slow: boolean;
  /** The server, or what is behind it, failed; not the caller. */
  readonly fault: boolean;
}

/** What a breaker has become by one call; told once, to whose call it was. */
export interface Turned {
  readonly key: string;
  readonly to: 'open' | 'closed';
  /** What it was opened by: calls, and how many of them were slow and failed. */
  readonly evidence: Evidence;
}

export interface Evidence {
  readonly calls: number;
  readonly slow: number;
  readonly faults: number;
}

/** All times are in milliseconds. */
export const BREAKER = {
  slot: 30_000,
  /** Fewer calls prove nothing, and neither do fewer slow or failed ones. */
  calls: 20,
  troubles: 3,
  /** So many must be left without those of the party that has most of the trouble. */
  others: 5,
  /** One in so many may be slow, and fail: then p99 is what it may be, and errors are 10 %. */
  slowShare: 100,
  faultShare: 10,
  open: 5 * 60_000,
  /** After that long an open one that nobody has tried is forgotten. */
  forgotten: 7 * 24 * 60 * 60_000,
  /** For which nobody else probes; then the gateway that was to tell counts as dead. */
  probe: 2 * 60_000,
  /** Parties that are told apart in one slot; the others are one. */
  parties: 64,
} as const;

/** Milliseconds; a tool that is slow by nature declares its own. */
export const P99 = 2000;

/** Text of a level's key: the tool, and whose the breaker is; null: everybody's. */
export function levelKey(action: string, whose: { readonly tenant?: string; readonly subject?: string } = {}): string {
  return JSON.stringify([action, whose.tenant ?? null, whose.subject ?? null]);
}

export function isLevelKey(text: string): boolean {
  try {
    const parts: unknown = JSON.parse(text);
    const [action, ...whose] = Array.isArray(parts) && parts.length === 3 ? parts : [];
    return typeof action === 'string' && whose.every((one) => one === null || typeof one === 'string');
  } catch {
    return false;
  }
}

/** What a level's key says. @throws SyntaxError for a text that is none */
export function levelOf(key: string): { readonly action: string; readonly whose: string } {
  const [action, tenant, subject]: readonly [string, string | null, string | null] = JSON.parse(key);
  if (tenant === null) return { action, whose: 'everybody' };
  return { action, whose: subject === null ? `tenant ${tenant}` : `subject ${subject}` };
}

/** For people and records. */
export function turnedText({ key, to, evidence: { calls, slow, faults } }: Turned): string {
  const { action, whose } = levelOf(key);
  const what = `of ${calls} calls ${faults} failed and ${slow} were too slow`;
  return to === 'open'
    ? `the breaker of ${action} for ${whose} is open: ${what}`
    : `the breaker of ${action} for ${whose} is closed again; it was opened when ${what}`;
}
