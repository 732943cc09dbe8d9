import { randomBytes } from 'node:crypto';
import type { CallerSession } from '../../contract/caller.ts';
import type { Clock } from '../../contract/clock.ts';
import type { Json } from '../../contract/json.ts';
import { homeOf, placedId } from '../../contract/placed-ids.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Soon } from '../../contract/soon.ts';
import type { Framed, Screened, Subject } from '../../contract/tool-call.ts';
import type { Item } from './items.ts';
import { LIMITS, OWN_WORDS, PIECE, type RemainderLimits } from './limits.ts';
import { piecesOf } from './pieces.ts';
import { SealedTexts } from './sealed.ts';

/** Whether a subject may have what this call gave, by the policies and stops that are in force. */
export type MayHave = (subject: Subject, server: string, action: string, args: Json, remote: string) => Soon<boolean>;

export interface Kept {
  /** Of a piece, from 1 on. */
  readonly uriOf: (piece: number) => string;
  readonly pieces: number;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/** One piece, and the call whose answer it is of. */
export interface Piece {
  /** Raw JSON of `contents`. */
  readonly contents: string;
  readonly number: number;
  readonly of: number;
  readonly next: string | undefined;
  readonly action: string;
  readonly delimit: Screened['delimit'];
}

interface Remainder extends Kept {
  readonly subject: Subject;
  /** The one server of `/mcp/SERVER`; undefined: all of them. */
  readonly scope: string | undefined;
  readonly session: string | undefined;
  readonly server: string;
  readonly action: string;
  readonly args: Json;
  readonly texts: SealedTexts;
  readonly bytes: number;
  readonly delimit: Screened['delimit'];
  readonly stopTimer: () => void;
}

const OURS = /^(?:([a-z][a-z0-9-]*)\+)?innerkeep:rest\//;
const PLACE = /^((?:[\w-]{16}\.)?[\w-]{32})\/([1-9]\d{0,5})$/;

/** The replica that a URI of ours names; undefined: it is none, or there is one. */
export function homeOfRest(uri: unknown): string | undefined {
  const ours = typeof uri === 'string' ? OURS.exec(uri) : null;
  return ours === null ? undefined : homeOf(PLACE.exec(ours.input.slice(ours[0].length))?.[1]);
}

/**
 * What was cut from answers that were too large, until it has been read or its time is over. Its id proves nothing: it is
 * found by the subject that got the answer alone, in the session and at the endpoint where it got it, while the policies
 * permit that call. There are whole pieces of what had passed the filter, and no offsets. They outlive bundles, not this
 * process; encrypted, under a key each that is forgotten with them.
 */
export class Remainders {
  readonly #clock: Clock;
  readonly #limits: RemainderLimits;
  readonly #home: string | undefined;
  /** The oldest first. */
  readonly #kept = new Map<string, Remainder>();
  readonly #followed = new WeakSet<CallerSession>();
  #bytes = 0;

  /** @param home the name of this replica; undefined: it is the only one */
  constructor(clock: Clock, limits: Partial<RemainderLimits> = {}, home?: string) {
    this.#clock = clock;
    this.#home = home;
    this.#limits = { ...LIMITS, ...limits };
  }

  /** Keeps the rest of a call's answer. A subject that has too many loses its oldest; undefined: there is no room for it. */
  keep(call: Screened, session: CallerSession | undefined, items: readonly Item[]): Kept | undefined {
    const { subject, target, params, arrived, delimit } = call;
    const { ttl, total, totalBytes } = this.#limits;
    if (session?.ended.aborted) return undefined;
    const id = placedId(this.#home, randomBytes(24).toString('base64url'));
    const prefix = arrived.server === undefined ? `${target.server}+` : '';
    const uriOf = (piece: number): string => `${prefix}innerkeep:rest/${id}/${piece}`;
    const texts = new SealedTexts(piecesOf(items, PIECE - OWN_WORDS, uriOf));
    const bytes = texts.bytes + params.raw.length;
    if (!this.#makeRoom(subject, bytes)) return undefined;
    if (this.#kept.size >= total || this.#bytes + bytes > totalBytes) return undefined;
    const stopTimer = this.#clock.setTimer(() => this.#forget(id), ttl);
    const kept = { uriOf, pieces: texts.count, until: this.#clock.now() + ttl };
    const whose = {
      subject,
      scope: arrived.server,
      session: session?.key,
      server: target.server,
      action: target.action,
    };
    this.#kept.set(id, { ...kept, ...whose, args: params.arguments ?? {}, texts, bytes, delimit, stopTimer });
    this.#bytes += bytes;
    if (session !== undefined) this.#follow(session);
    return kept;
  }

  /**
   * A piece of what was kept; undefined: the URI is none of ours.
   * @throws Refusal unknown-resource, alike for what is not there, not kept any more, another's or not permitted any more
   */
  async piece(call: Framed, session: CallerSession | undefined, mayHave: MayHave): Promise<Piece | undefined> {
    const { subject, arrived, frame } = call;
    const { uri } = frame.params ?? {};
    const ours = frame.method === 'resources/read' && typeof uri === 'string' ? OURS.exec(uri) : null;
    if (typeof uri !== 'string' || ours === null) return undefined;
    const missing = (why: string): Refusal => new Refusal('unknown-resource', `a rest that is ${why}`, { uri });
    const [, id = '', place = ''] = PLACE.exec(uri.slice(ours[0].length)) ?? [];
    const one = this.#kept.get(id);
    if (one === undefined) throw missing('not there');
    const why = this.#hiddenFrom(call, one, ours[1], session);
    if (why !== undefined) throw missing(why);
    const isPermitted = await mayHave(subject, one.server, one.action, one.args, arrived.remote);
    if (!isPermitted) throw missing('not permitted any more');
    const number = Number(place);
    // While policy was asked its time may have ended.
    const contents = this.#kept.has(id) ? one.texts.open(number - 1) : undefined;
    if (contents === undefined) throw missing('over');
    const next = number < one.pieces ? one.uriOf(number + 1) : undefined;
    return { contents, number, of: one.pieces, next, action: one.action, delimit: one.delimit };
  }

  /** Forgets what was given to these. */
  revoke(which: (subject: Subject) => boolean): void {
    for (const [id, { subject }] of [...this.#kept]) if (which(subject)) this.#forget(id);
  }

  /** Why this is not of whoever asks; undefined: it is. */
  #hiddenFrom(
    { arrived, subject }: Framed,
    one: Remainder,
    server: string | undefined,
    session: CallerSession | undefined,
  ): string | undefined {
    if (this.#clock.now() >= one.until) return 'not kept any more';
    if (one.subject.key !== subject.key || one.subject.tenant !== subject.tenant) return 'of another subject';
    if (one.session !== undefined && one.session !== session?.key) return 'of another session';
    if (one.scope !== arrived.server) return 'of another endpoint';
    if (one.scope === undefined ? server !== one.server : server !== undefined) return 'of another server';
    return undefined;
  }

  /** Lets the subject's oldest go until there is room in its own share. */
  #makeRoom(subject: Subject, bytes: number): boolean {
    const { perSubject, bytes: most } = this.#limits;
    if (bytes > most) return false;
    const own = [...this.#kept].filter(([, kept]) => kept.subject.key === subject.key);
    let sum = own.reduce((all, [, kept]) => all + kept.bytes, 0);
    for (let left = own.length; left >= perSubject || sum + bytes > most; left--) {
      const [id, oldest] = own[own.length - left] ?? [];
      if (id === undefined || oldest === undefined) return false;
      sum -= oldest.bytes;
      this.#forget(id);
    }
    return true;
  }

  /** What was given in a session ends with it. */
  #follow(session: CallerSession): void {
    if (this.#followed.has(session)) return;
    this.#followed.add(session);
    const over = (): void => {
      for (const [id, kept] of [...this.#kept]) if (kept.session === session.key) this.#forget(id);
    };
    session.ended.addEventListener('abort', over, { once: true });
  }

  #forget(id: string): void {
    const one = this.#kept.get(id);
    if (one === undefined) return;
    this.#kept.delete(id);
    this.#bytes -= one.bytes;
    one.stopTimer();
    one.texts.destroy();
  }
}
