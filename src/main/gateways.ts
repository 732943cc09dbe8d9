import { mkdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import type { Turned } from '../contract/breaker.ts';
import type { GatewayBundle } from '../contract/bundle.ts';
import type { LinkAddress } from '../contract/control-link.ts';
import type { Spending } from '../contract/limits.ts';
import type { GatewayOpening, Rehearsal } from '../contract/zone-link.ts';
import { type Account, SpentFile } from '../control-plane/budgets/spent-file.ts';
import type { Config } from '../control-plane/config/load.ts';
import { type ConfigError, SafetyError } from '../control-plane/config/problem.ts';
import { HourlyShare } from '../control-plane/gateways/hourly-share.ts';
import type { Issuer } from '../control-plane/issuer/issuer.ts';
import { AuditCopy } from '../control-plane/observability/audit-copy.ts';
import type { Pki } from '../control-plane/pki/pki.ts';
import type { Change, Registry } from '../control-plane/policy-registry/registry.ts';
import type { SignedBundle } from '../control-plane/policy-registry/sign-bundle.ts';
import type { Leases } from '../control-plane/secrets/leases.ts';
import { collectAudit } from './audit-collection.ts';
import { clock } from './clock.ts';
import { edgeCertificate, renewals } from './edge-certificate.ts';
import { GatewayAlerts } from './gateway-alerts.ts';
import { GatewayAway, GatewayHandle, GatewayRefusal } from './gateway-handle.ts';
import { LOCAL } from './local-gateway.ts';
import { complain } from './log.ts';
import { RegistryAge } from './registry-age.ts';
import { noStateStore, notListening } from './start-faults.ts';

/** Milliseconds for gateways to be met. */
const PATIENCE = 5000;
/** Budgets that nobody has heard of, and turns of breakers, that one gateway may tell of in an hour. */
const NEW_ACCOUNTS = 100_000;
const TURNS = 200;

/** All gateways of this zone 0, and the one bundle that they are to serve by. */
export class Gateways {
  readonly #all: readonly GatewayHandle[];
  readonly #config: Config;
  readonly #registry: Registry;
  readonly #endRenewals: () => void;
  readonly #spent: SpentFile;
  readonly #alerts = new GatewayAlerts();
  readonly #age: RegistryAge;
  readonly #endCollections: readonly (() => void)[];
  #newest: SignedBundle | undefined;
  #isOpen = false;

  /** @param addresses where they are dialled, by name */
  constructor(
    addresses: Readonly<Record<string, LinkAddress>>,
    config: Config,
    pki: Pki,
    registry: Registry,
    stateNames: string,
    turned: (turned: readonly Turned[]) => void,
  ) {
    this.#config = config;
    this.#registry = registry;
    const spent = new SpentFile(config.state, Date.now, complain);
    this.#spent = spent;
    const audit = join(config.state, 'audit');
    mkdirSync(audit, { recursive: true, mode: 0o700 });
    this.#age = new RegistryAge(registry, pki.bundleKey.publicPem, config.state);
    this.#all = Object.entries(addresses).map(
      ([name, address]) =>
        new GatewayHandle({
          name,
          address,
          pki,
          opening: async () => ({
            ...(await openingOf(name, config, pki)),
            ...(await this.#sharedPort(name)),
            stateNames,
            spent: spent.current(),
          }),
          newest: () => this.#newest,
          known: (held) => registry.has(held),
          signed: (envelope, held) => this.#age.isSigned(envelope, held),
          astray: (held, signed) => this.#alerts.set(name, 'registry', this.#age.astray(name, held, signed)),
          ...this.#bounded(name, turned),
          fault: (gateway, error) => complain(`gateway ${gateway}: ${error instanceof Error ? error.message : error}`),
        }),
    );
    // The log of a gateway that runs here lies in this state directory itself.
    this.#endCollections = this.#all
      .filter(({ name }) => 'host' in (addresses[name] ?? {}))
      .map((gateway) =>
        collectAudit({
          gateway: gateway.name,
          copy: new AuditCopy(config.state, gateway.name, pki.auditKeyOf(gateway.name).publicPem, Date.now),
          ask: (after) => gateway.audit(after),
          clock,
          free: () => freeBytes(audit),
          alert: (detail) => this.#alerts.set(gateway.name, 'audit', detail),
        }),
      );
    this.#endRenewals = renewals(config, () => {
      edgeCertificate(config, pki).then(
        (own) => this.#each((gateway) => gateway.certificate(own)),
        (error: unknown) => complain(`no new certificate: ${String(error)}`),
      );
    });
  }

  /** What one gateway tells of money and breakers, within what it may tell in an hour. */
  #bounded(name: string, turned: (turned: readonly Turned[]) => void) {
    const share = (most: number, about: 'budgets' | 'pages') =>
      new HourlyShare(
        most,
        () => performance.now(),
        (isExceeded) =>
          this.#alerts.set(
            name,
            about,
            isExceeded ? `more than ${most} new ${about} within an hour: others are dropped` : undefined,
          ),
      );
    const [accounts, pages] = [share(NEW_ACCOUNTS, 'budgets'), share(TURNS, 'pages')];
    return {
      spent: (spendings: readonly Spending[]) => {
        const known = spendings.filter((one) => this.#spent.knows(one));
        this.#spent.add([...known, ...accounts.admit(spendings.filter((one) => !this.#spent.knows(one)))]);
      },
      turned: (all: readonly Turned[]) => turned(pages.admit(all)),
    };
  }

  /** The port of all edges; of the gateway that runs here once it is open. @throws ConfigError, SafetyError */
  async port(): Promise<number> {
    const local = this.#all.find(({ name }) => name === LOCAL);
    if (local === undefined) return this.#config.edge.listen.port;
    try {
      return await local.opened;
    } catch (error) {
      if (!(error instanceof GatewayRefusal)) throw error;
      const { exit, message } = error;
      if (exit === 3) throw new SafetyError(message);
      throw (
        notListening(message, this.#config, 'edge') ??
        noStateStore(message, this.#config) ??
        this.#config.fault({ path: ['edge'], message })
      );
    }
  }

  serve(issuer: Issuer, leases: Leases): void {
    this.#each((gateway) => gateway.serve(issuer, leases));
  }

  /** A person has been where a client of one of them was to lead him. */
  visited(visit: string): void {
    this.#each((gateway) => gateway.visited(visit));
  }

  /** Resolves when it is known of each gateway what it holds, or that it is away; those that are slow to say so are not waited for. */
  async met(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const cancel = clock.setTimer(resolve, PATIENCE);
    await Promise.race([promise, Promise.all(this.#all.map(({ met }) => met))]);
    cancel();
  }

  /** Version of the bundle that is in force; 0: none. */
  get applied(): number {
    return this.#newest?.version ?? 0;
  }

  get isReady(): boolean {
    return this.#newest !== undefined && this.#all.some(({ isThere }) => isThere);
  }

  /**
   * Has everyone who is there try it; nothing comes into force.
   * @param last so many of the newest decisions of each are asked again
   * @throws ConfigError when one cannot use it
   */
  async rehearse(bundle: Omit<GatewayBundle, 'version'>, last: number, asked: Config): Promise<Rehearsal> {
    const { answers, refusals } = await this.#there((one) =>
      one.rehearse({ ...bundle, version: this.applied + 1 }, last),
    );
    for (const refusal of refusals) throw faultOf(refusal, asked);
    return {
      considered: answers.reduce((sum, { considered }) => sum + considered, 0),
      changed: answers.flatMap(({ changed }) => changed),
      more: answers.reduce((sum, { more }) => sum + more, 0),
    };
  }

  /**
   * Signs it, and has it served by everyone who is there; who is away gets it when he is back.
   * @throws ConfigError when a gateway that is there cannot use it: then nobody is told of it; SafetyError when the registry is
   * known to be an older copy: what is taken back goes on to those that follow it, and nothing else is signed
   */
  async publish(bundle: Omit<GatewayBundle, 'version'>, change: Change, asked: Config): Promise<void> {
    if (this.#age.old !== undefined && change.kind !== 'refresh') throw this.#age.old;
    if (change.kind === 'push' || change.kind === 'rollback') await this.rehearse(bundle, 0, asked);
    this.#newest = this.#registry.add(bundle, change);
    const { refusals } = await this.#there((gateway) => gateway.catchUp());
    for (const refusal of refusals) throw faultOf(refusal, asked);
  }

  /** What those who are there answer; who goes away meanwhile is none of them. */
  async #there<T>(ask: (gateway: GatewayHandle) => Promise<T>) {
    const answers: T[] = [];
    const refusals: GatewayRefusal[] = [];
    await Promise.all(
      this.#all.map(async (gateway) => {
        try {
          answers.push(await ask(gateway));
        } catch (error) {
          if (error instanceof GatewayRefusal) refusals.push(error);
          else if (!(error instanceof GatewayAway)) throw error;
        }
      }),
    );
    return { answers, refusals };
  }

  metrics() {
    const memory: Record<string, number> = { control: process.memoryUsage.rss() };
    const refusals: Record<string, number> = {};
    const alerts: Record<string, number> = {};
    let calls = 0;
    this.#each(({ name, counts }) => {
      alerts[name] = this.#alerts.of(name).length;
      memory[name === LOCAL ? 'gateway' : `gateway ${name}`] = counts.memory;
      calls += counts.calls;
      for (const [code, count] of Object.entries(counts.refusals)) refusals[code] = (refusals[code] ?? 0) + count;
    });
    return { calls, refusals, memory, alerts };
  }

  status() {
    return this.#all.map(({ name, isThere, held }) => {
      const alerts = this.#alerts.of(name);
      return { name, connected: isThere, bundle: held?.version ?? 0, ...(alerts.length > 0 && { alerts }) };
    });
  }

  /** What budgets have come to. */
  budgets(): readonly Account[] {
    return this.#spent.current();
  }

  close(): void {
    this.#endRenewals();
    for (const end of this.#endCollections) end();
    this.#each((gateway) => gateway.close());
    this.#spent.flush();
  }

  /** Of gateways that run here side by side: the first finds a free one, and all of them keep to it. */
  async #sharedPort(name: string): Promise<Partial<GatewayOpening>> {
    const local = this.#all.find((one) => one.name === LOCAL);
    if (local === undefined || this.#all.length === 1) return {};
    const isFirst = name === LOCAL && !this.#isOpen;
    void local.opened.then(
      () => {
        this.#isOpen = true;
      },
      () => undefined,
    );
    return { isShared: true, ...(!isFirst && { port: await local.opened }) };
  }

  #each(act: (gateway: GatewayHandle) => void): void {
    for (const gateway of this.#all) act(gateway);
  }
}

function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory);
  return bavail * bsize;
}

function faultOf({ exit, message }: GatewayRefusal, asked: Config): ConfigError | SafetyError {
  if (exit === 3) return new SafetyError(message);
  return asked.fault({ path: ['servers'], message, mend: 'run `innerkeep add` for that server again' });
}

async function openingOf(
  name: string,
  config: Config,
  pki: Pki,
): Promise<Omit<GatewayOpening, 'spent' | 'stateNames'>> {
  const { listen, server_names: serverNames, tls } = config.edge;
  return {
    ...listen,
    ...(await edgeCertificate(config, pki)),
    serverNames,
    clientCertificates: tls.client_ca !== undefined || config.identity.spiffe !== undefined,
    auditKey: (name === LOCAL ? pki.auditKey : pki.auditKeyOf(name)).privatePem,
    stateStore: config.stateStore,
  };
}
