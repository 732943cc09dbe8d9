import { createCipheriv, createDecipheriv, hash, randomBytes } from 'node:crypto';
import { canonicalJson } from '../../contract/canonical-json.ts';
import type { Json } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { SealKey } from '../../contract/state-store.ts';
import type { Admitted, Subject, Target } from '../../contract/tool-call.ts';
import type { EmbeddedMethod } from './capabilities.ts';

/** Milliseconds for which a sealed state is good. */
const LIFETIME = 10 * 60_000;
/** Milliseconds by which a clock may have been set back since. */
const SKEW = 60_000;
/** Characters of a sealed state; the bound on what a client may send back is not below it. */
const MAX_SEALED = 64 * 1024;

const IV = 12;
const TAG = 16;
const PURPOSE = Buffer.from('innerkeep request state 1');

/** How a call goes on when its client comes back. */
export type Continuation =
  /** Stateless: the server's own state as raw JSON, where it gave one, and what it asked, by key. */
  | { readonly kind: 'relayed'; readonly state?: string; readonly asked: Readonly<Record<string, Asked>> }
  /** An older server's call that is held, by the one replica of that name; undefined: there is one. */
  | { readonly kind: 'held'; readonly id: string; readonly home: string | undefined };

export interface Asked {
  readonly method: EmbeddedMethod;
  /** Of a form. */
  readonly schema?: Json;
}

/** What a state is bound to. */
interface Bound {
  readonly subject: string;
  readonly tenant: string;
  readonly request: string;
  /** Milliseconds since the epoch. */
  readonly issued: number;
  readonly expires: number;
  readonly next: Continuation;
}

/**
 * Seals what a client carries between two requests of one call (MCP 2026-07-28, Multi Round-Trip Requests: a
 * `requestState` is attacker-controlled). AES-256-GCM; bound to the principal, to server, method and params, and to time.
 */
export class StateSeal {
  readonly #keys: () => readonly SealKey[];
  readonly #now: () => number;

  /**
   * @param keys the same for all who are to go on with what one has sealed; the second seals, or the only one
   * @param now milliseconds since the epoch
   */
  constructor(keys: () => readonly SealKey[], now: () => number) {
    this.#keys = keys;
    this.#now = now;
  }

  /** @throws Refusal size */
  seal(call: Admitted, next: Continuation): string {
    const { subject, target } = call;
    const issued = this.#now();
    const bound: Bound = {
      subject: subject.key,
      tenant: subject.tenant,
      request: digestOf(target),
      issued,
      expires: issued + LIFETIME,
      next,
    };
    const keys = this.#keys();
    const by = keys[1] ?? keys[0];
    if (by === undefined) throw new Refusal('unavailable', 'no key for states has arrived');
    const iv = randomBytes(IV);
    const cipher = createCipheriv('aes-256-gcm', bytesOf(by), iv, { authTagLength: TAG }).setAAD(PURPOSE);
    const body = Buffer.concat([cipher.update(JSON.stringify(bound), 'utf8'), cipher.final()]);
    const sealed = `${by.id}.${Buffer.concat([iv, body, cipher.getAuthTag()]).toString('base64url')}`;
    if (sealed.length > MAX_SEALED) throw new Refusal('size', `a requestState of ${sealed.length} characters`);
    return sealed;
  }

  /** @throws Refusal request-state */
  open(call: Pick<Admitted, 'subject' | 'target'>, sealed: string): Continuation {
    const { request, next } = this.#openOwn(call.subject, sealed);
    if (request !== digestOf(call.target)) refuse('made for another request');
    return next;
  }

  /** The replica that holds the call which a state of this subject is for; undefined: none, or it is no such state. */
  homeOf(subject: Subject, sealed: string): string | undefined {
    try {
      const { next } = this.#openOwn(subject, sealed);
      return next.kind === 'held' ? next.home : undefined;
    } catch {
      return undefined;
    }
  }

  /** Whether a call of these params was answered with this state, a little while ago. */
  isGood(call: Pick<Admitted, 'subject' | 'target'>, sealed: string): boolean {
    try {
      this.open(call, sealed);
      return true;
    } catch {
      return false;
    }
  }

  #openOwn(by: Subject, sealed: string): Bound {
    const bound = this.#decrypt(sealed);
    const { subject, tenant, issued, expires } = bound;
    const now = this.#now();
    if (subject !== by.key || tenant !== by.tenant) refuse('made for another principal');
    if (now < issued - SKEW || now >= expires) refuse('expired');
    return bound;
  }

  #decrypt(sealed: string): Bound {
    const [id = '', text = '', ...more] = sealed.length > MAX_SEALED ? [] : sealed.split('.');
    const bytes = Buffer.from(text, 'base64url');
    // One text only for the same bytes: what is not quite base64url is not read leniently.
    if (bytes.length < IV + TAG || bytes.toString('base64url') !== text || more.length > 0) refuse('not ours');
    const key = this.#keys().find((one) => one.id === id) ?? refuse('sealed by another process, or too long ago');
    const decipher = createDecipheriv('aes-256-gcm', bytesOf(key), bytes.subarray(0, IV), { authTagLength: TAG });
    decipher.setAAD(PURPOSE).setAuthTag(bytes.subarray(-TAG));
    try {
      const body = Buffer.concat([decipher.update(bytes.subarray(IV, -TAG)), decipher.final()]);
      return JSON.parse(body.toString('utf8'));
    } catch {
      return refuse('altered');
    }
  }
}

/** Members that change from one leg of a call to the next. */
const CHANGING = new Set(['inputResponses', 'requestState', '_meta']);

/**
 * The one request that a state is for. By value rather than by bytes: the client writes its params anew, and each time
 * they are validated and authorized anew. But numbers by their digits: those are what the server reads.
 */
function digestOf({ server, method, paramsRaw }: Target): string {
  return hash('sha256', JSON.stringify([server, method, canonicalJson(paramsRaw, 0, CHANGING)]), 'base64url');
}

function bytesOf({ key }: SealKey): Buffer {
  return Buffer.from(key, 'base64url');
}

function refuse(detail: string): never {
  throw new Refusal('request-state', detail);
}
