/**
 * A credential that the egress proxy adds to requests of a server's sandboxes. Its value is lent for one call, to the
 * tenant and subject whose call it is; the tool never has it.
 */
export interface WireSecret {
  readonly ref: string;
  /** Lower-case DNS name. */
  readonly host: string;
  readonly port: number;
  readonly methods: readonly string[];
  /** Paths as they are, or up to a `*` at their end that stands for everything below. */
  readonly paths: readonly string[];
  /** Lower-case name of the header. */
  readonly header: string;
  /** The header's value; `{value}` stands in it once, for the secret. */
  readonly template: string;
}

/** Whose secret a server's calls need: the calling subject's own, or his tenant's. */
export interface WantedSecret {
  readonly ref: string;
  readonly per: 'subject' | 'tenant';
}

/** What is lent for one call. */
export interface WireLease {
  readonly id: string;
  readonly ref: string;
  /** Visible ASCII, and spaces within. */
  readonly value: string;
  readonly version: number;
  /** Milliseconds since the epoch. */
  readonly until: number;
  /** A token that is bound to a key of zone 0's: each request with it needs a proof (RFC 9449). */
  readonly isBound?: true;
}

/** One request with a bound token; where it goes, zone 0 knows. */
export interface ProofWish {
  /** Of a lease. */
  readonly lease: string;
  readonly method: string;
  /** What the server wants to find in it (RFC 9449 §9). */
  readonly nonce: string | undefined;
}

/** What goes with a call to where its credentials are added. */
export interface Loan {
  readonly leases: readonly WireLease[];
  /** Receives each use when it happens. */
  used(use: WireUse): void;
  /** For one request with a bound token; undefined: it is not lent any more. Absent: nothing is bound. */
  prove?(wish: ProofWish): Promise<string | undefined>;
}

/** A request got a credential. */
export interface WireUse {
  readonly ref: string;
  readonly host: string;
  /** Of the rule, not of the request. */
  readonly path: string;
}

/** Milliseconds: the longest that a credential can be used in a sandbox, whatever the call's own deadline. */
export const LONGEST_LEASE = 5 * 60 * 1000;

/** What the path of a URL is made of here: RFC 3986 §3.3 without parameters. */
const PATH = /^\/(?:[A-Za-z0-9._~!$&'()*+,=:@/-]|%[0-9A-Fa-f]{2})*$/;
/** Encoded dots, slashes, backslashes, semicolons, percent signs, control characters, and longer spellings of all these (RFC 3629 §3). */
const AMBIGUOUS = /%(?:2e|2f|5c|3b|25|7f|c[01]|e0%[89]|f0%8|[01][0-9a-f])/i;

/**
 * Whether everybody reads a path alike: no dot segments, empty segments, parameters, backslashes, and none of those
 * encoded, once or twice. Only such a path can be compared with a pattern (RFC 3986 §6.2.2, CWE-22).
 */
export function isPlainPath(path: string): boolean {
  if (!PATH.test(path) || AMBIGUOUS.test(path) || path.includes('//')) return false;
  return !path.split('/').some((segment) => segment === '.' || segment === '..');
}

/** @param path a plain one */
export function matchesPath(pattern: string, path: string): boolean {
  return pattern.endsWith('/*') ? path.startsWith(pattern.slice(0, -1)) : path === pattern;
}
