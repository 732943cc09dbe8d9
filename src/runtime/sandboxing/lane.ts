import type { SandboxedServer } from '../../contract/bundle.ts';
import type { SandboxDriver } from '../../contract/sandbox-driver.ts';
import type { OpenWayOut } from '../egress/egress.ts';
import type { Era } from '../upstream/handshake.ts';
import { UpstreamFailure } from '../upstream/upstream.ts';
import { Demand } from './demand.ts';
import { FairQueue } from './fair-queue.ts';
import type { Ready, StartFailure } from './start-sandbox.ts';

/** Milliseconds; what a sandbox was given at its start, such as an authority that it trusts, is good for twice as long. */
const MAX_IDLE_AGE = 12 * 60 * 60 * 1000;
/** Starts that may fail in a row before the calls that wait are given up. */
const PATIENCE = 3;
const FIRST_BACKOFF = 500;
const MAX_BACKOFF = 60_000;
/** A sandbox that died idle after less than this, in milliseconds, counts as a start that failed. */
const SETTLED = 10_000;
/** Milliseconds for which a server's era is taken to be what it was found to be. */
const ERA_LIFETIME = 60 * 60 * 1000;

export interface Waiting {
  resolve(ready: Ready): void;
  reject(failure: UpstreamFailure): void;
}

/** Weight of the newest call in what a call takes. */
const NEWEST = 0.1;

/** One server's idle sandboxes, its calls that wait, and what is known of its starts. */
export class Lane {
  readonly server: SandboxedServer;
  readonly driver: SandboxDriver;
  readonly openWayOut: OpenWayOut | undefined;
  readonly idle: Ready[] = [];
  readonly waiting = new FairQueue<Waiting>();
  live = 0;
  starting = 0;
  #era: { readonly era: Era; readonly until: number } | undefined;
  readonly #now: () => number;
  readonly #wake: () => void;
  readonly #demand: Demand;
  /** Milliseconds that one call has its sandbox. */
  #occupied = 0;
  #failures = 0;
  #lastFailure: UpstreamFailure | undefined;
  #backoff: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(
    server: SandboxedServer,
    driver: SandboxDriver,
    now: () => number,
    wake: () => void,
    openWayOut?: OpenWayOut,
  ) {
    this.openWayOut = openWayOut;
    this.server = server;
    this.driver = driver;
    this.#now = now;
    this.#wake = wake;
    this.#demand = new Demand(now);
  }

  /** Undefined: to be found out. */
  get era(): Era | undefined {
    return this.#era !== undefined && this.#now() < this.#era.until ? this.#era.era : undefined;
  }

  /** A call had its sandbox for so many milliseconds. */
  used(ms: number): void {
    this.#occupied += NEWEST * (ms - this.#occupied);
  }

  /** Milliseconds that a call would wait that comes now. @param room sandboxes that the server may have at a time */
  expected(party: string, room: number): number {
    return (this.waiting.turnOf(party) * this.#occupied) / room;
  }

  get wantsRefill(): boolean {
    return this.#backoff === undefined && this.idle.length + this.starting < this.#demand.target;
  }

  /** Why calls are not even tried now: too many starts have failed, and the next attempt is not due. */
  get broken(): UpstreamFailure | undefined {
    return this.#backoff !== undefined && this.#failures >= PATIENCE ? this.#lastFailure : undefined;
  }

  takeIdle(): Ready | undefined {
    // A session that failed a moment ago leaves the array in a later microtask.
    let ready = this.idle.shift();
    while (ready?.session.failure) ready = this.idle.shift();
    this.#demand.arrived();
    if (ready !== undefined) this.#failures = 0;
    return ready;
  }

  /** The sandbox that has been idle longest, where there are more than calls will want. */
  takeSurplus(): Ready | undefined {
    return this.idle.length > this.#demand.target ? this.idle.shift() : undefined;
  }

  /** @param ms that the start took */
  started(ready: Ready, ms: number): void {
    this.#demand.made(ms);
    if (ready.session.failure) {
      this.startFailed({ failure: ready.session.failure, era: undefined });
      return;
    }
    this.#learn(ready.handshake.era);
    const call = this.waiting.take();
    if (call !== undefined) {
      this.#failures = 0;
      call.resolve(ready);
      return;
    }
    const since = this.#now();
    this.idle.push(ready);
    const old = new UpstreamFailure('isolation', 'idle for too long');
    const aged = setTimeout(() => this.idle.includes(ready) && ready.session.fail(old), MAX_IDLE_AGE).unref();
    void ready.session.ended.then((failure) => {
      clearTimeout(aged);
      const at = this.idle.indexOf(ready);
      if (at === -1) return;
      this.idle.splice(at, 1);
      if (this.#now() - since < SETTLED) this.startFailed({ failure, era: undefined });
      this.#wake();
    });
  }

  startFailed({ failure, era }: StartFailure): void {
    if (era !== undefined) {
      if (this.era === undefined) this.#learn(era);
      return;
    }
    this.#failures++;
    this.#lastFailure = failure;
    const givenUp = this.#failures >= PATIENCE;
    if (givenUp) this.#rejectAll(failure);
    if (this.waiting.size > 0 || this.#backoff !== undefined || this.#closed) return;
    const delay = Math.min(MAX_BACKOFF, FIRST_BACKOFF * 2 ** Math.min(this.#failures - 1, 10));
    this.#backoff = setTimeout(() => {
      this.#backoff = undefined;
      this.#wake();
    }, delay);
  }

  #learn(era: Era): void {
    if (this.era !== era) this.#era = { era, until: this.#now() + ERA_LIFETIME };
  }

  close(failure: UpstreamFailure): void {
    this.#closed = true;
    clearTimeout(this.#backoff);
    this.#rejectAll(failure);
  }

  #rejectAll(failure: UpstreamFailure): void {
    for (const call of this.waiting.clear()) call.reject(failure);
  }
}
