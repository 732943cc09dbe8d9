import type { Clock } from '../../contract/clock.ts';
import type { SecretStore } from '../../contract/secret-store.ts';
import type { Page } from './page.ts';
import { type Receiver, sendingOf } from './receivers.ts';

/** Attempts at one page, and milliseconds before the second; before each further one they double: four minutes in all. */
const ATTEMPTS = 8;
const FIRST_WAIT = 2000;
/** Pages that wait for one receiver; the oldest is given up. */
const MOST = 100;
/** Milliseconds for which a receiver's secret is lent. */
const LEASE = 60_000;

/** The hardened way out: resolves with the status, and follows no redirect. */
export type Post = (
  url: string,
  options: {
    readonly trustedHost: string;
    readonly ca: string | undefined;
    readonly post: { readonly headers: Readonly<Record<string, string>>; readonly body: string };
  },
) => Promise<{ readonly status: number }>;

export interface PagerDeps {
  readonly post: Post;
  readonly store: SecretStore;
  /** Whose the receivers' secrets are. */
  readonly tenant: string;
  readonly clock: Clock;
  /** What could not be told, and to whom; never a secret. */
  readonly fault: (text: string) => void;
}

/** Tells one receiver, one page after the other, so that an incident is never over before it has begun. */
export class Pager {
  readonly #receiver: Receiver;
  readonly #deps: PagerDeps;
  readonly #waiting: Page[] = [];
  #working = false;
  #closed = false;
  #wake = (): void => undefined;

  constructor(receiver: Receiver, deps: PagerDeps) {
    this.#receiver = receiver;
    this.#deps = deps;
  }

  tell(page: Page): void {
    this.#waiting.push(page);
    if (this.#waiting.length > MOST) this.#given(this.#waiting.shift(), `${MOST} others wait`);
    if (!this.#working) void this.#work();
  }

  close(): void {
    this.#closed = true;
    this.#waiting.length = 0;
    this.#wake();
  }

  async #work(): Promise<void> {
    this.#working = true;
    for (let page = this.#waiting.shift(); page !== undefined; page = this.#waiting.shift()) await this.#insist(page);
    this.#working = false;
  }

  async #insist(page: Page): Promise<void> {
    let why = '';
    for (let attempt = 0, wait = FIRST_WAIT; attempt < ATTEMPTS && !this.#closed; attempt++, wait *= 2) {
      if (attempt > 0) await this.#pause(wait / 2);
      if (this.#closed) return;
      const outcome = await this.#attempt(page);
      if (outcome === 'told') return;
      why = outcome.why;
      if (outcome.isFinal) break;
    }
    if (!this.#closed) this.#given(page, why);
  }

  async #attempt(page: Page): Promise<'told' | { readonly why: string; readonly isFinal: boolean }> {
    const { post, store, tenant } = this.#deps;
    const { url, ca, secret } = this.#receiver;
    let lease: string | undefined;
    try {
      const lent =
        secret === undefined ? undefined : await store.lease({ ref: secret, tenant, subject: undefined }, LEASE);
      lease = lent?.id;
      const { url: to, headers, body } = sendingOf(this.#receiver, page, lent?.value);
      const { status } = await post(to, { trustedHost: new URL(url).hostname, ca, post: { headers, body } });
      if (status >= 200 && status <= 299) return 'told';
      // What it does not take now, it will not take later; a redirect is followed by nobody.
      const isFinal = status >= 300 && status <= 499 && status !== 408 && status !== 429;
      return { why: `it answered ${status}`, isFinal };
    } catch (error) {
      return { why: error instanceof Error ? error.message : String(error), isFinal: false };
    } finally {
      if (lease !== undefined) void store.revoke(lease).catch(() => undefined);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#deps.clock.setTimer(resolve, ms);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }

  #given(page: Page | undefined, why: string): void {
    if (page !== undefined) this.#deps.fault(`${this.#receiver.kind} was not told that ${page.summary}: ${why}`);
  }
}
