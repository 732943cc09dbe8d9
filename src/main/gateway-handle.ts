import type { Turned } from '../contract/breaker.ts';
import type { GatewayBundle } from '../contract/bundle.ts';
import type { LinkAddress } from '../contract/control-link.ts';
import type { Spending } from '../contract/limits.ts';
import { type BundleId, MAX_ENVELOPE } from '../contract/signed-bundle.ts';
import type { AuditPage, FromGateway, GatewayOpening, Rehearsal, ToGateway } from '../contract/zone-link.ts';
import { type Dialled, keepDialled } from '../control-plane/gateways/dial.ts';
import type { Issuer } from '../control-plane/issuer/issuer.ts';
import type { Pki } from '../control-plane/pki/pki.ts';
import type { SignedBundle } from '../control-plane/policy-registry/sign-bundle.ts';
import type { Leases } from '../control-plane/secrets/leases.ts';
import { clock } from './clock.ts';
import { complain, log } from './log.ts';

/** Questions of one gateway's that are answered at a time; who asks more gets `unavailable`. */
const MAX_SERVED = 512;
/** Milliseconds for an answer; a bundle has all policies and schemas to be compiled. */
const PATIENCE = 60_000;

/** The gateway is away. */
export class GatewayAway extends Error {}
/** The gateway cannot do, or does not take, what it was told; it goes on as before. */
export class GatewayRefusal extends Error {
  readonly exit: 2 | 3;
  constructor({ exit, message }: Extract<FromGateway, { kind: 'refused' }>) {
    super(message);
    this.exit = exit;
  }
}

type Answer<K> = Extract<FromGateway, { kind: K }>;

export interface GatewayHandleDeps {
  readonly name: string;
  readonly address: LinkAddress;
  readonly pki: Pick<Pki, 'zones'>;
  readonly opening: () => Promise<GatewayOpening>;
  /** The newest bundle; undefined: none has been signed yet. */
  readonly newest: () => SignedBundle | undefined;
  /** Is it a version of the registry's? */
  readonly known: (held: BundleId) => boolean;
  /** Has zone 0's key signed it as this version? */
  readonly signed: (envelope: string, held: BundleId) => boolean;
  /** Its calls have cost so much. */
  readonly spent: (spendings: readonly Spending[]) => void;
  /** Its calls have opened or closed breakers. */
  readonly turned: (turned: readonly Turned[]) => void;
  /** It could not be opened, or does not take the newest bundle. */
  readonly fault: (gateway: string, error: unknown) => void;
  /** It holds what the registry does not have; `signed`: zone 0's key has signed that, so that it is the registry that is old. */
  readonly astray: (held: BundleId, signed: boolean) => void;
}

/** Zone 0's end of its connection with one gateway: brings it up to date whenever it is there. */
export class GatewayHandle {
  readonly name: string;
  /** Resolves with the port of its edge once it is open; rejects when it refuses to open. */
  readonly opened: Promise<number>;
  /** Resolves when it is known what it holds, or that it is away. */
  readonly met: Promise<void>;
  held: BundleId | undefined;
  isThere = false;
  readonly #deps: GatewayHandleDeps;
  readonly #link: Dialled;
  #counts: Answer<'counts'> | undefined;
  #issuer: Issuer | undefined;
  #leases: Leases | undefined;
  #served = 0;
  #isUp = false;
  #turn: Promise<unknown> = Promise.resolve();
  #asked: { resolve(answer: FromGateway): void; reject(error: Error): void } | undefined;
  #resolveOpened = (_: number): void => undefined;
  #rejectOpened = (_: unknown): void => undefined;
  #resolveMet = (): void => undefined;

  constructor(deps: GatewayHandleDeps) {
    this.#deps = deps;
    this.name = deps.name;
    this.opened = new Promise((resolve, reject) => {
      this.#resolveOpened = resolve;
      this.#rejectOpened = reject;
    });
    this.met = new Promise((resolve) => {
      this.#resolveMet = resolve;
    });
    // Nobody may be waiting for it.
    this.opened.catch(() => undefined);
    const { zones } = deps.pki;
    this.#link = keepDialled({
      gateway: deps.name,
      address: deps.address,
      authority: zones.caPem,
      leaf: () => zones.control(),
      clock,
      up: () => {
        this.#isUp = true;
        void this.#greet();
      },
      message: (message) => this.#receive(message),
      down: (reason) => this.#down(reason),
    });
  }

  serve(issuer: Issuer, leases: Leases): void {
    this.#issuer = issuer;
    this.#leases = leases;
  }

  /** Brings it up to the newest bundle. @throws GatewayRefusal, GatewayAway */
  catchUp(): Promise<void> {
    return this.#next(async () => {
      const newest = this.#deps.newest();
      if (newest === undefined || this.held?.digest === newest.digest) return;
      const { held } = await this.#ask({ kind: 'bundle', envelope: newest.envelope }, 'applied');
      this.held = held;
    });
  }

  /** @throws GatewayRefusal when it cannot use it, GatewayAway */
  rehearse(bundle: GatewayBundle, last: number): Promise<Rehearsal> {
    return this.#next(async () => (await this.#ask({ kind: 'rehearse', bundle, last }, 'rehearsed')).rehearsal);
  }

  /** What follows so many bytes of its audit log. @throws GatewayRefusal, GatewayAway */
  audit(after: number): Promise<AuditPage> {
    return this.#next(() => this.#ask({ kind: 'audit', after }, 'audited'));
  }

  /** A person has been where a client was to lead him. */
  visited(visit: string): void {
    this.#link.send({ kind: 'visited', visit });
  }

  certificate(own: { readonly key: string; readonly cert: string }): void {
    this.#link.send({ kind: 'certificate', ...own });
  }

  get counts() {
    return this.#counts ?? { calls: 0, refusals: {}, memory: 0 };
  }

  close(): void {
    this.#link.close();
  }

  async #greet(): Promise<void> {
    try {
      const port = await this.#next(async () => {
        const { held } = await this.#ask({ kind: 'status' }, 'status');
        this.held = held;
        if (held !== undefined) await this.#demandKnown(held);
        this.#resolveMet();
        const { key, cert } = await this.#deps.pki.zones.gateway(this.name);
        this.#link.send({ kind: 'identity', key, cert });
        return (await this.#ask({ kind: 'open', opening: await this.#deps.opening() }, 'listening')).port;
      });
      await this.catchUp();
      this.isThere = true;
      log({ event: 'gateway', gateway: this.name, connected: true, ...this.held });
      this.#resolveOpened(port);
    } catch (error) {
      if (error instanceof GatewayAway) return;
      this.#rejectOpened(error);
      this.#deps.fault(this.name, error);
    }
  }

  /**
   * Nothing is pushed to a gateway that is ahead of the registry, or beside it, and it is not dialled any more: it fails closed
   * when it has heard nothing for `control.away`. @throws GatewayAway
   */
  async #demandKnown(held: BundleId): Promise<void> {
    if (this.#deps.known(held)) return;
    this.#deps.astray(held, this.#deps.signed(await this.#shown(), held));
    this.#resolveMet();
    this.close();
    this.#down('it holds a version that the registry does not have');
    throw new GatewayAway(`the gateway ${this.name} is ahead of the registry`);
  }

  /** The bundle that it has kept. */
  async #shown(): Promise<string> {
    for (let all = ''; ; ) {
      const { text, size } = await this.#ask({ kind: 'show', after: all.length }, 'shown');
      all += text;
      if (text === '' || all.length >= Math.min(size, MAX_ENVELOPE)) return all;
    }
  }

  #down(reason: string): void {
    this.#resolveMet();
    if (this.isThere) log({ event: 'gateway', gateway: this.name, connected: false, reason });
    this.#isUp = false;
    this.isThere = false;
    this.#asked?.reject(new GatewayAway(`the gateway ${this.name} is away: ${reason}`));
    this.#asked = undefined;
  }

  #receive(message: FromGateway): void {
    switch (message.kind) {
      case 'counts':
        this.#counts = message;
        return;
      case 'spent':
        this.#deps.spent(message.spendings);
        return;
      case 'turned':
        this.#deps.turned(message.turned);
        return;
      case 'revoke':
        void this.#leases?.giveBack(message.leases);
        return;
      case 'issuer':
      case 'confirm':
      case 'lease':
      case 'prove':
        void this.#answer(message).catch(complain);
        return;
      default: {
        const asked = this.#asked;
        this.#asked = undefined;
        if (message.kind === 'refused') asked?.reject(new GatewayRefusal(message));
        else asked?.resolve(message);
      }
    }
  }

  async #answer(asked: Answer<'issuer' | 'confirm' | 'lease' | 'prove'>): Promise<void> {
    const isBusy = ++this.#served > MAX_SERVED;
    try {
      this.#link.send(await this.#answerTo(asked, isBusy));
    } finally {
      this.#served--;
    }
  }

  async #answerTo(asked: Answer<'issuer' | 'confirm' | 'lease' | 'prove'>, isBusy: boolean): Promise<ToGateway> {
    const { id } = asked;
    const [issuer, leases] = isBusy ? [] : [this.#issuer, this.#leases];
    if (asked.kind === 'confirm')
      return { kind: 'confirmation', id, answer: issuer?.confirm(asked.call) ?? { kind: 'full' } };
    if (asked.kind === 'prove') return { kind: 'proved', id, proof: await leases?.prove(asked.wish) };
    if (asked.kind === 'lease')
      return { kind: 'leased', id, answer: (await leases?.lend(asked.wish)) ?? { failed: 'zone 0 is busy' } };
    const answer = await issuer?.handle(asked.request).catch(complain);
    return { kind: 'issued', id, answer: answer ?? { status: 503, headers: {}, body: '' } };
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #ask<K extends FromGateway['kind']>(message: ToGateway, kind: K): Promise<Answer<K>> {
    if (!this.#isUp) throw new GatewayAway(`the gateway ${this.name} is away`);
    const answer = await new Promise<FromGateway>((resolve, reject) => {
      const cancel = clock.setTimer(() => this.#link.again(`no answer to ${message.kind}`), PATIENCE);
      this.#asked = {
        resolve: (answer) => {
          cancel();
          resolve(answer);
        },
        reject: (error) => {
          cancel();
          reject(error);
        },
      };
      this.#link.send(message);
    });
    if (answer.kind !== kind) {
      this.#link.again(`it answered ${answer.kind} where ${kind} was asked for`);
      throw new GatewayAway(`the gateway ${this.name} does not keep to the protocol`);
    }
    return answer as Answer<K>;
  }
}
