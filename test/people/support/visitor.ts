import type { IssuerAnswer } from '../../../src/contract/zone-link.ts';
import type { Issuer } from '../../../src/control-plane/issuer/issuer.ts';
import { type Lies, SoftwareKey } from './software-key.ts';

/** The way to an issuer: in this process, or over the wire. */
export interface Way {
  readonly origin: string;
  readonly issuer: Pick<Issuer, 'handle'>;
}

/** A browser without a screen: keeps cookies, follows redirects, reads forms, and has a passkey in software. */
export class Visitor {
  readonly key = new SoftwareKey();
  readonly #door: Way;
  readonly #cookies = new Map<string, string>();
  /** Where it is now. */
  at = '';
  /** The headers of what it was shown last. */
  headers: IssuerAnswer['headers'] = {};

  constructor(door: Way) {
    this.#door = door;
  }

  get cookies(): ReadonlyMap<string, string> {
    return this.#cookies;
  }

  /** Follows redirects until there is a page, or the way leads away from the issuer. */
  async open(url: string): Promise<Shown> {
    return this.#send('GET', url, {}, '');
  }

  async submit(
    fields: Readonly<Record<string, string>>,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Shown> {
    const sent = { 'content-type': 'application/x-www-form-urlencoded', origin: this.#door.origin, ...headers };
    return this.#send('POST', this.at, sent, new URLSearchParams(fields).toString());
  }

  /** Opens an invitation and enrols its key. */
  async enrol(link: string, lies: Lies = {}): Promise<Shown> {
    const shown = await this.open(link);
    const credential = this.key.create(shown.attribute('data-options'), this.#door.origin, lies);
    return this.submit({ handle: shown.field('handle'), credential });
  }

  /** Answers the passkey form that it was shown. */
  async assert(shown: Shown, lies: Lies = {}): Promise<Shown> {
    const credential = this.key.get(shown.attribute('data-options'), this.#door.origin, lies);
    return this.submit({ csrf: shown.field('csrf'), credential });
  }

  /** Opens a call that waits, and confirms it. */
  async confirm(url: string, lies: Lies = {}): Promise<Shown> {
    return this.assert(await this.open(url), lies);
  }

  /** From a client's request to its redirect. */
  async allow(url: string): Promise<URLSearchParams> {
    let shown = await this.open(url);
    if (shown.body.includes('data-ceremony')) shown = await this.assert(shown);
    shown = await this.submit({ csrf: shown.field('csrf'), decision: 'allow' });
    return new URL(shown.away).searchParams;
  }

  async #send(method: string, url: string, headers: Readonly<Record<string, string>>, body: string): Promise<Shown> {
    const { pathname, search } = new URL(url, this.#door.origin);
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const sent = { accept: 'text/html', ...(cookie === '' ? {} : { cookie }), ...headers };
    const answer = await this.#door.issuer.handle({ method, url: `${pathname}${search}`, headers: sent, body });
    for (const line of [answer.headers['set-cookie'] ?? []].flat()) this.#keep(line);
    this.headers = answer.headers;
    const { location } = answer.headers;
    if (typeof location !== 'string') {
      this.at = `${pathname}${search}`;
      return new Shown(answer.status, answer.body, '');
    }
    const next = new URL(location, this.#door.origin);
    return next.origin === this.#door.origin ? this.open(next.href) : new Shown(answer.status, '', next.href);
  }

  #keep(line: string): void {
    const [pair = '', ...attributes] = line.split('; ');
    const cut = pair.indexOf('=');
    const isOver = attributes.some((attribute) => /^expires=Thu, 01 Jan 1970/i.test(attribute));
    if (isOver) this.#cookies.delete(pair.slice(0, cut));
    else this.#cookies.set(pair.slice(0, cut), pair.slice(cut + 1));
  }
}

export class Shown {
  readonly status: number;
  readonly body: string;
  /** Where it was led, away from the issuer. */
  readonly away: string;

  constructor(status: number, body: string, away: string) {
    this.status = status;
    this.body = body;
    this.away = away;
  }

  field(name: string): string {
    return this.#find(new RegExp(`name="${name}" value="([^"]*)"`));
  }

  attribute(name: string): string {
    return this.#find(new RegExp(`${name}="([^"]*)"`));
  }

  #find(pattern: RegExp): string {
    const found = pattern.exec(this.body)?.[1];
    if (found === undefined) throw new Error(`${this.status}: nothing like ${pattern} in: ${this.body.slice(0, 300)}`);
    return found
      .replaceAll('&quot;', '"')
      .replaceAll('&#39;', "'")
      .replaceAll('&lt;', '<')
      .replaceAll('&gt;', '>')
      .replaceAll('&amp;', '&');
  }
}
