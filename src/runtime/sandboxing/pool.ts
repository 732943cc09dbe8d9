import type { SandboxedServer } from '../../contract/bundle.ts';
import type { SandboxDriver } from '../../contract/sandbox-driver.ts';
import type { OpenWayOut } from '../egress/egress.ts';
import type { StdioSession } from '../upstream/stdio.ts';
import { cancelled, UpstreamFailure } from '../upstream/upstream.ts';
import { type HoldKind, Holds } from './holds.ts';
import { Lane } from './lane.ts';
import { type Ready, startSandbox } from './start-sandbox.ts';

/** What all servers share. */
export interface PoolLimits {
  /** Starts that compute at the same time. */
  readonly starts: number;
  /** Sandboxes that exist at the same time, idle ones included. */
  readonly live: number;
  /** Bytes: the sum of the memory limits of those. */
  readonly memory: number;
  /** Idle sandboxes of all servers. */
  readonly idle: number;
  /** Calls that wait for a sandbox. */
  readonly queue: number;
  /** Milliseconds for a start and its handshake. */
  readonly handshake: number;
}

/** Milliseconds that a call may be expected to wait for its sandbox: its client must not give up on what is then begun. */
const MAX_WAIT = 20_000;
/** Milliseconds after which a start is taken to wait rather than compute, and lets the next one begin. */
const SLOW_START = 1000;
/** Milliseconds from one look for idle sandboxes that nobody will want to the next. */
const TRIM_EVERY = 10_000;
/** Milliseconds; a refill also begins when the sandbox that was taken is gone. */
const REFILL_DELAY = 20;

/**
 * Single-use sandboxes that have already done their handshake, for each server; every one serves one call and is
 * killed. Calls of a server wait in turn, party by party; free room goes to the server whose call has waited longest, and only then
 * to refills. One server may hold half of the room when there are others.
 */
export class SandboxPool {
  readonly #limits: PoolLimits;
  readonly #lanes = new Map<string, Lane>();
  readonly #sessions = new Set<Ready['session']>();
  readonly #log: (event: object) => void;
  readonly #holds = new Holds();
  readonly #idling = new Map<string, (ready: Ready) => void>();
  #computing = 0;
  #live = 0;
  #memory = 0;
  #evicting = 0;
  #waiting = 0;
  #arrivals = 0;
  #closed = false;
  #refill: NodeJS.Timeout | undefined;
  readonly #trimming: NodeJS.Timeout;
  #emptied: (() => void) | undefined;

  constructor(limits: PoolLimits, log: (event: object) => void) {
    this.#limits = limits;
    this.#log = log;
    this.#trimming = setInterval(() => this.trim(), TRIM_EVERY).unref();
  }

  /** @param openWayOut of each of its sandboxes, where it has one */
  add(server: SandboxedServer, driver: SandboxDriver, now: () => number, openWayOut?: OpenWayOut): void {
    this.#lanes.set(server.name, new Lane(server, driver, now, () => this.#pump(), openWayOut));
    this.#pump();
  }

  /**
   * A fresh sandbox that nobody else has had or will have; the caller ends it by `session.fail`. One that would have to
   * wait for long is told so now.
   * @param party whose call it is; those of each wait in a row of their own
   * @throws UpstreamFailure `overload`, or why the server cannot be started
   */
  acquire(name: string, signal: AbortSignal, party = ''): Promise<Ready> {
    const lane = this.#lanes.get(name);
    if (lane === undefined || this.#closed)
      return Promise.reject(new UpstreamFailure('isolation', `no pool for ${name}`));
    const ready = lane.takeIdle();
    if (ready) {
      this.#pumpSoon();
      return Promise.resolve(ready);
    }
    if (lane.broken) return Promise.reject(lane.broken);
    if (this.#waiting >= this.#limits.queue)
      return Promise.reject(new UpstreamFailure('overload', `${this.#waiting} calls wait for a sandbox`));
    const expected = lane.expected(party, this.#share());
    if (expected > MAX_WAIT)
      return Promise.reject(
        new UpstreamFailure('overload', `would wait ${Math.round(expected / 1000)} s for a sandbox`),
      );
    if (signal.aborted) return Promise.reject(cancelled());
    return new Promise((resolve, reject) => {
      const gone = () => {
        if (!lane.waiting.remove(party, arrival)) return;
        this.#waiting--;
        reject(cancelled());
      };
      const settle = () => {
        signal.removeEventListener('abort', gone);
        this.#waiting--;
      };
      const arrival = ++this.#arrivals;
      signal.addEventListener('abort', gone, { once: true });
      this.#waiting++;
      lane.waiting.add(party, arrival, {
        resolve: (ready) => {
          settle();
          resolve(ready);
        },
        reject: (failure) => {
          settle();
          reject(failure);
        },
      });
      this.#pump();
    });
  }

  /** @param idling is told of each sandbox of that server that waits for its call now */
  watch(name: string, idling: (ready: Ready) => void): void {
    this.#idling.set(name, idling);
  }

  /** Ends those of that server that wait for a call; others take their place. */
  renew(name: string): void {
    for (const { session } of this.#lanes.get(name)?.idle.splice(0) ?? [])
      session.fail(new UpstreamFailure('isolation', 'begun before its server was reviewed again'));
  }

  /** A call of that server had a sandbox for so many milliseconds. */
  used(name: string, ms: number): void {
    this.#lanes.get(name)?.used(ms);
  }

  /**
   * Room for a sandbox to stay without working: half of all at most, and half of what one server may have.
   * @returns what gives it back; undefined where there is none
   */
  hold(name: string, subject: string, kind: HoldKind): (() => void) | undefined {
    const lane = this.#lanes.get(name);
    const { live, memory } = this.#limits;
    const limits = { sandboxes: half(live), memory: half(memory), perServer: half(this.#share()) };
    return lane && this.#holds.take(lane.server, subject, kind, limits);
  }

  /** Figures for tests and telemetry. */
  get state(): { readonly live: number; readonly waiting: number; readonly idle: number } {
    return { live: this.#live, waiting: this.#waiting, idle: this.#idle() };
  }

  /** Kills every sandbox and resolves when the last one is gone. */
  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#refill);
    clearInterval(this.#trimming);
    const failure = new UpstreamFailure('isolation', 'the runtime is stopping');
    for (const lane of this.#lanes.values()) lane.close(failure);
    for (const session of this.#sessions) session.fail(failure);
    if (this.#live === 0) return;
    await new Promise<void>((resolve) => {
      this.#emptied = resolve;
    });
  }

  /** Ends idle sandboxes that were made for more calls than come now; done every ten seconds. */
  trim(): void {
    for (const lane of this.#lanes.values())
      for (let ready = lane.takeSurplus(); ready !== undefined; ready = lane.takeSurplus())
        ready.session.fail(new UpstreamFailure('isolation', 'fewer calls come than before'));
  }

  /** To spawn a process blocks this one for milliseconds, so a refill leaves a short call the time to be answered. */
  #pumpSoon(): void {
    this.#refill ??= setTimeout(() => {
      this.#refill = undefined;
      this.#pump();
    }, REFILL_DELAY);
  }

  #pump(): void {
    while (!this.#closed && this.#computing < this.#limits.starts) {
      const lane = this.#next();
      if (lane === undefined) return;
      void this.#start(lane);
    }
  }

  /** The lane that may start a sandbox now. */
  #next(): Lane | undefined {
    const lanes = [...this.#lanes.values()].filter((lane) => lane.live < this.#share());
    const urgent = lanes.filter((lane) => lane.waiting.size > lane.starting);
    urgent.sort((a, b) => a.waiting.oldest - b.waiting.oldest);
    for (const lane of urgent) {
      if (this.#fits(lane)) return lane;
      this.#evict(lane);
    }
    if (urgent.length > 0) return undefined;
    const refill = lanes.filter((lane) => lane.wantsRefill && this.#fits(lane));
    if (this.#idle() + this.#starting() >= this.#limits.idle) return undefined;
    return refill.sort((a, b) => a.idle.length - b.idle.length)[0];
  }

  #share(): number {
    return this.#lanes.size > 1 ? Math.max(1, half(this.#limits.live)) : this.#limits.live;
  }

  #fits(lane: Lane): boolean {
    return this.#live < this.#limits.live && this.#memory + lane.server.memory <= this.#limits.memory;
  }

  /** Another server's idle sandbox makes room for a call that waits; one at a time. */
  #evict(except: Lane): void {
    if (this.#evicting > 0) return;
    const [richest] = [...this.#lanes.values()]
      .filter((lane) => lane !== except && lane.idle.length > 0)
      .sort((a, b) => b.idle.length - a.idle.length);
    const victim = richest?.idle.pop();
    if (victim === undefined) return;
    this.#evicting++;
    void victim.session.sandbox.exited.finally(() => this.#evicting--);
    victim.session.fail(new UpstreamFailure('isolation', 'made room for another server'));
  }

  async #start(lane: Lane): Promise<void> {
    this.#computing++;
    this.#live++;
    this.#memory += lane.server.memory;
    lane.live++;
    lane.starting++;
    let computing = true;
    const since = performance.now();
    const settled = () => {
      if (computing) this.#computing--;
      computing = false;
    };
    const greeted = () => {
      settled();
      this.#pump();
    };
    const slow = setTimeout(greeted, SLOW_START);
    const gone = (session?: StdioSession) => {
      if (session) this.#sessions.delete(session);
      this.#live--;
      this.#memory -= lane.server.memory;
      lane.live--;
      if (this.#live === 0) this.#emptied?.();
      this.#pump();
    };
    const observer = {
      opened: (session: StdioSession) => {
        this.#sessions.add(session);
        if (this.#closed) session.fail(new UpstreamFailure('isolation', 'the runtime is stopping'));
      },
      greeted,
      gone,
    };
    const { server, driver, era, openWayOut } = lane;
    const outcome = await startSandbox(server, driver, era, this.#limits.handshake, observer, openWayOut);
    clearTimeout(slow);
    settled();
    lane.starting--;
    if ('failure' in outcome) {
      const { code, detail } = outcome.failure;
      if (!this.#closed && outcome.era === undefined)
        this.#log({ event: 'sandbox-start-failed', server: lane.server.name, code, detail });
      lane.startFailed(outcome);
    } else {
      lane.started(outcome, performance.now() - since);
      // The call that it was made for may have gone meanwhile.
      if (this.#idle() > this.#limits.idle)
        lane.idle.pop()?.session.fail(new UpstreamFailure('isolation', 'enough are idle'));
      if (lane.idle.includes(outcome)) this.#idling.get(server.name)?.(outcome);
    }
    this.#pump();
  }

  #idle(): number {
    let idle = 0;
    for (const lane of this.#lanes.values()) idle += lane.idle.length;
    return idle;
  }

  #starting(): number {
    let starting = 0;
    for (const lane of this.#lanes.values()) starting += lane.starting;
    return starting;
  }
}

function half(count: number): number {
  return Math.floor(count / 2);
}
