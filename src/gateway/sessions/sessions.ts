import { randomBytes } from 'node:crypto';
import type { Answer } from '../../contract/answer.ts';
import type { Attendance, CallerSession } from '../../contract/caller.ts';
import type { Clock } from '../../contract/clock.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Records } from '../../contract/state-store.ts';
import type { Authenticated, Framed, Revision, Subject } from '../../contract/tool-call.ts';
import { capabilitiesOf } from './capabilities.ts';
import type { Bearer } from './carrier.ts';
import { Directory } from './directory.ts';
import { EventStore } from './event-log.ts';
import { levelOf } from './levels.ts';
import { LIMITS, type SessionLimits } from './limits.ts';
import { Registry } from './registry.ts';
import { Session } from './session.ts';
import { SingleStream } from './single-stream.ts';
import { ResumableStreams, type StreamDeps, type Streams } from './streams.ts';
import { CallWithoutSession } from './without-session.ts';

export interface SessionsDeps {
  readonly clock: Clock;
  readonly limits?: Partial<SessionLimits>;
  /** Where replicas tell each other what sessions they have, and the name of this one; absent: there are no others. */
  readonly shared?: { readonly records: Records; readonly me: string };
}

/** What a session shows of itself to whoever has news for it. */
export type OpenSession = Pick<Session, 'subject' | 'server' | 'revision' | 'notify'>;

const TAKEN = 'another replica has taken it up';

const NOTHING: Answer = { status: 204, headers: { 'cache-control': 'no-store' }, body: '' };

/**
 * The sessions of one gateway process (MCP 2024-11-05 to 2025-11-25). A session's id proves nothing: each request has
 * been authenticated, and finds only sessions of its own subject and scope. Among replicas a session lives at one, which all
 * of them know; when that is gone, it lives on at the one that is asked for it next.
 */
export class Sessions {
  readonly #clock: Clock;
  readonly #limits: SessionLimits;
  readonly #registry: Registry;
  readonly #store: EventStore;
  /** Calls in flight that belong to no session. */
  readonly #others = new Set<CallWithoutSession>();
  readonly #directory: Directory | undefined;
  #isRevoked: (subject: Subject) => boolean = () => false;

  constructor({ clock, limits, shared }: SessionsDeps) {
    this.#clock = clock;
    this.#limits = { ...LIMITS, ...limits };
    this.#registry = new Registry(this.#limits);
    this.#store = new EventStore(this.#limits);
    this.#directory =
      shared &&
      new Directory({
        ...{ clock, ...shared },
        all: () => this.#registry.all(),
        has: (id) => this.#registry.get(id) !== undefined,
        taken: (id) => this.#registry.get(id)?.end(TAKEN),
      });
  }

  /**
   * Opens a session after a good `initialize`; never under an id that a client brought.
   * @returns the value of `Mcp-Session-Id`
   * @throws Refusal params, overload
   */
  open(call: Framed): string {
    const { revision, params } = call.frame;
    const capabilities = capabilitiesOf(params?.capabilities);
    const session = this.#make(call, revision, this.#resumable(revision, false));
    session.capabilities = capabilities;
    return session.id;
  }

  /**
   * Has all replicas know of a session, and what it is now; undefined: there are none. One that they cannot know ends.
   * @throws Refusal unavailable
   */
  announced(id: string): Promise<void> | undefined {
    const session = this.#registry.get(id);
    if (session === undefined || this.#directory === undefined) return undefined;
    return this.#directory.announce(session).catch((error: unknown) => {
      session.end('the other replicas could not be told of it');
      throw error;
    });
  }

  /**
   * The other replica that has the session which a request names. Undefined: this one has it, or nobody, or it names none.
   * @throws Refusal unavailable
   */
  elsewhere(call: Bearer): Promise<string | undefined> | undefined {
    const id = sessionId(call);
    if (id === undefined || this.#directory === undefined || this.#registry.get(id) !== undefined) return undefined;
    return this.#directory.homeOf(id, call);
  }

  /** Takes up the session that a request names, whose replica is gone. @throws Refusal unavailable, overload */
  async takeUp(call: Bearer, from: string): Promise<void> {
    const id = sessionId(call) ?? '';
    this.#registry.makeRoom(call);
    const record = await this.#directory?.takeUp(id, call, from);
    if (record === undefined || this.#registry.get(id) !== undefined) return;
    const { key, subject, until, revision, capabilities, logLevel } = record;
    const session = this.#make({ ...call, subject, until }, revision, this.#resumable(revision, true), { id, key });
    session.capabilities = capabilities;
    session.logLevel = logLevel;
    if (this.#isRevoked(subject)) session.end('the token was revoked');
    await this.announced(id);
  }

  /** A session subscribes to something: it ends with this replica, for nobody else will know of what. @throws Refusal unavailable */
  subscribes(session: CallerSession | undefined): Promise<void> | undefined {
    if (!(session instanceof Session) || session.isSubscribed) return undefined;
    session.isSubscribed = true;
    return this.announced(session.id);
  }

  /** The store was away, and may know nothing any more. */
  announceAll(): void {
    this.#directory?.forget();
  }

  /** The revision of the session that a request names; undefined where it names none of its own, which is refused later. */
  revisionOf(call: Authenticated): Revision | undefined {
    const id = sessionId(call);
    return id === undefined ? undefined : this.#registry.peek(id, call)?.revision;
  }

  /**
   * Gives a request its caller. `answered` must be called for each, whatever becomes of it: until then it is in flight.
   * @throws Refusal unknown-session, protocol-version, overload, invalid-request, params
   */
  attend(call: Framed): Attendance {
    const { modern, method } = call.frame;
    const begins = method === 'initialize' && call.arrived.transport === 'streamable';
    const session = modern || begins ? undefined : this.#sessionOf(call);
    if (session === undefined) {
      const caller = new CallWithoutSession(call, this.#clock, this.#others);
      return { caller, answered: (body) => caller.answered(body) };
    }
    if (method === 'initialize') session.capabilities = capabilitiesOf(call.frame.params?.capabilities);
    return session.attend(call);
  }

  /**
   * Takes a client's notification, or its response to a request of ours.
   * @throws Refusal unknown-session, protocol-version
   */
  receive(call: Framed): void {
    const { modern, id, response, method, params } = call.frame;
    const session = modern ? undefined : this.#sessionOf(call);
    if (response !== undefined && id !== undefined) session?.answer(id, response);
    else if (method === 'notifications/cancelled') {
      const requestId = params?.requestId;
      if (typeof requestId === 'string' || typeof requestId === 'number') session?.cancel(JSON.stringify(requestId));
    }
  }

  /** `logging/setLevel`. @throws Refusal params, unknown-session, protocol-version, unavailable */
  setLevel(call: Framed): Promise<void> | undefined {
    const level = levelOf(call.frame.params?.level);
    const session = this.#sessionOf(call);
    if (session === undefined) return undefined;
    session.logLevel = level;
    return this.announced(session.id);
  }

  /**
   * GET: a stream for what belongs to no call, or the rest of the stream that `Last-Event-ID` is of.
   * @returns when it is over; the answer counts only where no stream was opened, because nothing is missing
   * @throws Refusal unauthenticated, http-method without a session, unknown-session, protocol-version, invalid-request,
   * stream-taken
   */
  async listen(call: Authenticated): Promise<Answer> {
    this.#admit(call);
    const { streams } = this.#named(call);
    if (!(streams instanceof ResumableStreams)) throw new Refusal('http-method', 'a second stream over HTTP+SSE');
    const carrier = streams.listen(call, call.arrived.headers['last-event-id']);
    await carrier?.over;
    return NOTHING;
  }

  /** DELETE. @throws Refusal http-method without a session, unknown-session, protocol-version */
  end(call: Authenticated): Promise<void> | undefined {
    const session = this.#named(call);
    session.end('the client ended it');
    return this.#directory?.remove(session.id);
  }

  /**
   * GET of HTTP+SSE (MCP 2024-11-05 transports): opens a session that is its stream. What is posted to the endpoint
   * that it names comes to `attend` and `receive`, and is answered 202 at once.
   * @returns when it is over
   * @throws Refusal unauthenticated, overload
   */
  async listenSse(call: Authenticated): Promise<void> {
    this.#admit(call);
    const { server } = call.arrived;
    const session = this.#make(call, '2024-11-05', (deps) => new SingleStream(call, deps));
    const announced = this.announced(session.id);
    if (announced !== undefined) await announced;
    session.streams.announce(`/mcp${server === undefined ? '' : `/${server}`}/sse?session=${session.id}`);
    await session.streams.carrier.over;
    session.end('its stream was closed');
  }

  /** Ends what was begun by these subjects, or with these tokens; until the next time, they begin no stream. */
  revoke(which: (subject: Subject) => boolean): void {
    this.#isRevoked = which;
    for (const session of this.#registry.all()) session.revoke(which);
    for (const call of [...this.#others]) if (which(call.subject)) call.end();
  }

  each(visit: (session: OpenSession) => void): void {
    for (const session of this.#registry.all()) visit(session);
  }

  close(): void {
    for (const session of this.#registry.all()) session.end('the gateway stops');
    for (const call of [...this.#others]) call.end();
  }

  /** Between a request's authentication and its stream its record is written: time enough for a revocation. */
  #admit({ subject }: Bearer): void {
    if (this.#isRevoked(subject)) throw new Refusal('unauthenticated', 'revoked');
  }

  #resumable(revision: Revision, isTakenUp: boolean): (deps: StreamDeps) => ResumableStreams {
    return (deps) => new ResumableStreams(deps, this.#store, revision === '2025-11-25', isTakenUp);
  }

  #make<S extends Streams>(
    call: Bearer,
    revision: Revision,
    streams: (deps: StreamDeps) => S,
    { id, key }: { readonly id: string; readonly key?: string } = { id: randomBytes(32).toString('base64url') },
  ): Session<S> {
    this.#registry.makeRoom(call);
    const [clock, limits] = [this.#clock, this.#limits];
    const onEnd = (why: string) => {
      this.#registry.remove(session);
      if (why !== TAKEN) void this.#directory?.remove(id);
    };
    const session: Session<S> = new Session({ id, key, call, revision, clock, limits, onEnd }, streams);
    this.#registry.add(session);
    return session;
  }

  #sessionOf(call: Framed): Session | undefined {
    const id = sessionId(call);
    return id === undefined ? undefined : this.#find(id, call);
  }

  /** @throws Refusal http-method where no session is named, and those of `#find` */
  #named(call: Bearer): Session {
    const id = sessionId(call);
    if (id === undefined) throw new Refusal('http-method', `${call.arrived.httpMethod} without a session`);
    return this.#find(id, call);
  }

  /** Where a client does not repeat the revision, the session's holds (MCP 2025-06-18 transports, Protocol Version Header). */
  #find(id: string, call: Bearer): Session {
    const session = this.#registry.find(id, call);
    const { headers, transport } = call.arrived;
    const version = headers['mcp-protocol-version']?.trim() ?? session.revision;
    if (transport === 'streamable' && version !== session.revision) {
      throw new Refusal('protocol-version', `${version} in a session of ${session.revision}`);
    }
    return session;
  }
}

/** HTTP+SSE has it in the query of the endpoint that was announced; where that is gone, so is the session. */
function sessionId({ arrived }: Bearer): string | undefined {
  if (arrived.transport === 'streamable') return arrived.headers['mcp-session-id'];
  return new URLSearchParams(arrived.query).get('session') ?? '';
}
