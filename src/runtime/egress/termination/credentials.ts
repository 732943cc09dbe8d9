import type { Clock } from '../../../contract/clock.ts';
import {
  isPlainPath,
  LONGEST_LEASE,
  type Loan,
  matchesPath,
  type WireLease,
  type WireSecret,
  type WireUse,
} from '../../../contract/wire-secret.ts';
import { Echoes } from './echo-mask.ts';

/** Characters: less than this is in too many texts by itself. */
const SHORT = 8;

/** What becomes of one request to a host. */
export type Verdict =
  | {
      /** Lower-case names of headers that are the proxy's alone here. */
      readonly reserved: ReadonlySet<string>;
      /** Header name and value, alternating. */
      readonly added: readonly string[];
      /** What the answer must not contain; undefined: there is nothing. */
      readonly echoes: Echoes | undefined;
    }
  | { readonly refused: string };

interface Held {
  readonly values: ReadonlyMap<string, WireLease>;
  readonly used: (use: WireUse) => void;
  readonly cancel: () => void;
  echoes?: Echoes;
}

/** What one sandbox's proxy may add to its requests, and when: in memory, from a call's begin to its end. */
export class Credentials {
  readonly #secrets: readonly WireSecret[];
  readonly #clock: Clock;
  readonly #onEnd = new Set<() => void>();
  #held: Held | undefined;
  #over = false;

  constructor(secrets: readonly WireSecret[], clock: Clock) {
    this.#secrets = secrets;
    this.#clock = clock;
  }

  /** Takes what was lent for a call. It ends by `end`, or by itself when the first lease or five minutes are over. */
  begin({ leases, used }: Loan): void {
    this.end();
    const now = this.#clock.now();
    const until = Math.min(now + LONGEST_LEASE, ...leases.map((lease) => lease.until));
    const values = new Map(leases.map((lease) => [lease.ref, lease]));
    this.#held = { values, used, cancel: this.#clock.setTimer(() => this.end(), Math.max(0, until - now)) };
    this.#over = false;
  }

  /** Forgets the values at once. What is under way with one of them is cut. */
  end(): void {
    if (this.#held === undefined) return;
    this.#held.cancel();
    this.#held = undefined;
    this.#over = true;
    for (const listener of [...this.#onEnd]) listener();
  }

  /** Runs `listener` at the next end; gives what withdraws it. */
  onEnd(listener: () => void): () => void {
    this.#onEnd.add(listener);
    return () => this.#onEnd.delete(listener);
  }

  /**
   * A request to a host that has secrets is refused when its path cannot be compared, when it is one that needs a
   * credential and there is none, and when the credentials of its sandbox are over: nobody could know their echo then.
   * Any other goes on, without what the tool itself put in a header that is the proxy's.
   * @param path as it stands in the request, without query
   */
  judge(host: string, port: number, method: string, path: string): Verdict {
    const secrets = this.#secrets.filter((secret) => secret.host === host && secret.port === port);
    const reserved = new Set(secrets.map(({ header }) => header));
    if (secrets.length === 0) return { reserved, added: [], echoes: this.#echoes() };
    if (this.#over) return { refused: 'the credentials of this call are over' };
    if (!isPlainPath(path)) return { refused: 'a path that could be read in two ways' };
    const added = new Map<string, string>();
    const uses: WireUse[] = [];
    for (const { ref, methods, paths, header, template } of secrets) {
      const pattern = paths.find((one) => matchesPath(one, path));
      if (pattern === undefined || !methods.includes(method) || added.has(header)) continue;
      const lease = this.#held?.values.get(ref);
      if (lease === undefined) return { refused: 'no credential is lent for this request' };
      added.set(header, template.split('{value}').join(lease.value));
      uses.push({ ref, host, path: pattern });
    }
    for (const use of uses) this.#held?.used(use);
    return { reserved, added: [...added].flat(), echoes: this.#echoes() };
  }

  #echoes(): Echoes | undefined {
    const held = this.#held;
    if (held === undefined || held.values.size === 0) return undefined;
    held.echoes ??= new Echoes([...held.values].flatMap(([ref, { value }]) => this.#readings(ref, value)));
    return held.echoes;
  }

  /** A user-id and password are written in base64 (RFC 7617 §2), and known without it. */
  #readings(ref: string, value: string): readonly string[] {
    const isBasic = this.#secrets.some((secret) => secret.ref === ref && /^basic /i.test(secret.template));
    if (!isBasic) return [value];
    const pair = Buffer.from(value, 'base64').toString('latin1');
    const password = pair.slice(pair.indexOf(':') + 1);
    return password.length < SHORT ? [value, pair] : [value, password];
  }
}
