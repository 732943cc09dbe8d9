import { createCipheriv, createDecipheriv, hash, randomBytes } from 'node:crypto';
import { canonicalJson } from '../../contract/canonical-json.ts';
import type { Json } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Admitted, Target } from '../../contract/tool-call.ts';
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
  /** An older server's call that is held here. */
  | { readonly kind: 'held'; readonly id: string };

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
  readonly #key: Uint8Array;
  readonly #now: () => number;

  /**
   * @param key 32 random bytes
   * @param now milliseconds since the epoch
   */
  constructor(key: Uint8Array, now: () => number) {
    this.#key = key;
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
    const iv = randomBytes(IV);
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv, { authTagLength: TAG }).setAAD(PURPOSE);
    const body = Buffer.concat([cipher.update(JSON.stringify(bound), 'utf8'), cipher.final()]);
    const sealed = Buffer.concat([iv, body, cipher.getAuthTag()]).toString('base64url');
    if (sealed.length > MAX_SEALED) throw new Refusal('size', `a requestState of ${sealed.length} characters`);
    return sealed;
  }

  /** @throws Refusal request-state */
  open(call: Pick<Admitted, 'subject' | 'target'>, sealed: string): Continuation {
    const { subject, tenant, request, issued, expires, next } = this.#decrypt(sealed);
    const now = this.#now();
    if (subject !== call.subject.key || tenant !== call.subject.tenant) refuse('made for another principal');
    if (request !== digestOf(call.target)) refuse('made for another request');
    if (now < issued - SKEW || now >= expires) refuse('expired');
    return next;
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

  #decrypt(sealed: string): Bound {
    const bytes = Buffer.from(sealed, 'base64url');
    // One text only for the same bytes: what is not quite base64url is not read leniently.
    if (sealed.length > MAX_SEALED || bytes.length < IV + TAG || bytes.toString('base64url') !== sealed)
      refuse('not ours');
    const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, IV), { authTagLength: TAG });
    decipher.setAAD(PURPOSE).setAuthTag(bytes.subarray(-TAG));
    try {
      const body = Buffer.concat([decipher.update(bytes.subarray(IV, -TAG)), decipher.final()]);
      return JSON.parse(body.toString('utf8'));
    } catch {
      return refuse('altered, or sealed by another process');
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

function refuse(detail: string): never {
  throw new Refusal('request-state', detail);
}
