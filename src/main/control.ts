import { randomBytes } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { GatewayBundle } from '../contract/bundle.ts';
import type { CallToConfirm } from '../contract/step-up.ts';
import type { FromGateway, IssuerRequest, LeaseWish, ToGateway } from '../contract/zone-link.ts';
import { standardRoutes } from '../control-plane/admin-api/routes.ts';
import { openAdminApi } from '../control-plane/admin-api/server.ts';
import { type Config, readText, trustedIssuers } from '../control-plane/config/load.ts';
import { own } from '../control-plane/config/own.ts';
import { type ConfigError, SafetyError } from '../control-plane/config/problem.ts';
import { type Issuer, openIssuer } from '../control-plane/issuer/issuer.ts';
import type { KnownClient } from '../control-plane/issuer/provider.ts';
import { npmSettings } from '../control-plane/packages/npm-settings.ts';
import { pinsFor, prepareServers } from '../control-plane/packages/pins-for.ts';
import { unusableCertificate } from '../control-plane/pki/own-certificate.ts';
import { openPki, type Pki } from '../control-plane/pki/pki.ts';
import { stateDirectory } from '../control-plane/pki/state-files.ts';
import { watchFiles } from '../control-plane/pki/watch-files.ts';
import { Leases } from '../control-plane/secrets/leases.ts';
import { Vault } from '../control-plane/secrets/vault.ts';
import { claimState } from '../control-plane/zones/claim.ts';
import { startZone, type Zone } from '../control-plane/zones/start-zone.ts';
import { embeddedStore } from '../drivers/secret-store/embedded.ts';
import { openOutbound } from '../gateway/transport/outbound.ts';
import { callerTokens } from './caller-tokens.ts';
import { clock } from './clock.ts';
import { InForce } from './in-force.ts';
import { log } from './log.ts';
import { openRuntime, refusedBy } from './runtime-client.ts';
import { readServed } from './served.ts';
import { noStateStore, notListening, unless } from './start-faults.ts';
import { clientAuthorities, openTrust } from './trust.ts';

/** A running innerkeep: all zones of one machine. */
export interface Control {
  readonly ready: Ready;
  /** Resolves when a zone ended by itself, with the reason; then everything has to end. */
  readonly failed: Promise<string>;
  stop(): Promise<void>;
}

export interface Ready {
  readonly event: 'ready';
  readonly mcp: string;
  readonly issuer: string;
  readonly admin: string;
  readonly ca: string;
}

const GATEWAY_GRACE = 5000;
/** A certificate of ours lives for days; files of the operator's may have been renewed meanwhile. */
const RENEW_EVERY = 24 * 60 * 60 * 1000;

/**
 * Starts all zones by the configuration, or nothing: whatever is wrong ends what was started before it.
 * @param stopping aborted when nobody waits for it any more: it ends the same way
 * @throws ConfigError (exit 2), SafetyError, StateError (exit 3), or the reason of `stopping`
 */
export async function startControl(configFile: string, state: string, stopping: AbortSignal): Promise<Control> {
  const started = await readServed(configFile, state, (config, lock) => {
    stateDirectory(config.state);
    const registry = () => npmSettings(config.directory, process.env);
    return unless(stopping, prepareServers(config, lock, registry, `${process.platform}-${process.arch}`));
  });
  const { config } = started;
  const pki = await openPki(config.state, Date.now);
  const undo: (() => Promise<void> | void)[] = [claimState(config.state)];
  const stop = async (): Promise<void> => {
    for (let step = undo.pop(); step !== undefined; step = undo.pop()) await step();
  };
  try {
    const runtime = await openRuntime(started.sandboxed, config.state, (server, message) =>
      config.fault({ path: server === undefined ? [] : ['servers', server, 'mounts'], message }),
    );
    undo.push(() => runtime.stop());
    stopping.throwIfAborted();
    const gateway = new GatewayHandle();
    undo.push(() => gateway.stop());
    let publish = (): void => undefined;
    const trust = await openTrust(config, () => publish());
    undo.push(() => trust.close());
    stopping.throwIfAborted();
    const port = await gateway.open(config, pki);
    const origin = `https://${config.edge.server_names[0]}:${port}`;
    const resources = [`${origin}/mcp`, ...started.servers.map(({ pins }) => `${origin}/mcp/${pins.name}`)];
    const outbound = openOutbound();
    const issuer = openIssuer({
      stateDir: config.state,
      issuerUrl: origin,
      resources,
      clients: knownClients(config),
      externalIssuers: config.identity.issuers.map(({ issuer }) => issuer),
      // Whoever begins a sign-in names the URL: no private address, whatever it is called.
      fetchPublic: (url) => outbound(url, { trustedHost: '', ca: undefined }),
      now: Date.now,
      report: log,
      revokedMore: () =>
        void inForce.publish().catch((error: unknown) => log({ event: 'fault', error: String(error) })),
    });
    undo.push(() => issuer.close());
    gateway.serveIssuer(issuer);
    const nonceKey = randomBytes(32).toString('base64url');
    const inForce: InForce = new InForce(started, gateway, ({ config: asked, policies, servers }) => {
      const edge = {
        origin,
        serverNames: config.edge.server_names,
        allowedOrigins: config.edge.allowed_origins,
        unauthenticated: config.edge.unauthenticated,
        maxBody: config.edge.max_body,
        // The embedded issuer knows one scope; others have their own.
        ...(config.identity.issuers.length === 0 && { scope: 'mcp' }),
        ...clientAuthorities(config),
      };
      const trusted = {
        issuers: issuersOf(config, issuer),
        revoked: issuer.revoked(),
        ...(config.identity.dpop.nonce && { nonceKey }),
        ...trust.workloads(),
      };
      return gateway.apply({ edge, ...trusted, policies, servers, runtimeSocket: runtime.socket }, asked);
    });
    const store = embeddedStore(new Vault(config.state, Date.now), Date.now);
    const leases = new Leases({
      store,
      wanted: (server) => inForce.served.servers.find(({ pins }) => pins.name === server)?.credentials ?? [],
      token: callerTokens((server) => own(inForce.served.config.servers, server)?.auth, store, Date.now),
      clock,
      fault: (error) => log({ event: 'fault', error: String(error) }),
    });
    gateway.serveLeases(leases);
    publish = () => void inForce.publish().catch(complain);
    await inForce.publish();
    stopping.throwIfAborted();
    const ready = {
      event: 'ready',
      mcp: `${origin}/mcp`,
      issuer: config.identity.issuers[0]?.issuer ?? origin,
      ca: pki.caFile,
    } as const;
    const admin = await openAdminApi({
      stateDir: config.state,
      host: config.admin.listen.host,
      port: config.admin.listen.port,
      announce: { mcp: ready.mcp, issuer: ready.issuer, ca: ready.ca },
      routes: standardRoutes({
        issuer,
        externalIssuers: config.identity.issuers.map((external) => external.issuer),
        mcp: ready.mcp,
        publishRevocations: () => inForce.publish(),
        push: () => inForce.push(() => readServed(configFile, state, pinsFor)),
        ready: () => gateway.applied > 0,
        metrics: () => gateway.metrics(),
        leases: () => leases.running(),
        status: () => ({ ...ready, bundle: gateway.applied, servers: started.servers.map(({ pins }) => pins.name) }),
      }),
      fault: (error) => log({ event: 'fault', error: String(error) }),
    }).catch((error: unknown) => {
      throw notListening(String(error), config, 'admin') ?? error;
    });
    undo.push(() => admin.close());
    stopping.throwIfAborted();
    const failed = Promise.race([
      runtime.zone.exited.then(() => 'the runtime zone ended'),
      gateway.zone.exited.then(() => 'the gateway zone ended'),
    ]);
    return { ready: { ...ready, admin: admin.url }, failed, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function knownClients({ identity }: Config): readonly KnownClient[] {
  return Object.entries(identity.clients).map(([id, { name, redirect_uris }]) => ({
    id,
    name,
    redirectUris: redirect_uris,
  }));
}

function complain(error: unknown): void {
  log({ event: 'fault', error: String(error) });
}

/** `identity.issuers` absent: the embedded one alone. */
function issuersOf(config: Config, issuer: Issuer): GatewayBundle['issuers'] {
  const external = trustedIssuers(config);
  if (external.length > 0) return external;
  return [{ issuer: issuer.issuerUrl, jwks: issuer.jwks(), tenant: { claim: 'tenant' }, embedded: true }];
}

async function certificate(config: Config, pki: Pki): Promise<{ readonly key: string; readonly cert: string }> {
  const { tls } = config.edge;
  if (tls.cert === undefined || tls.key === undefined) {
    const { key, cert } = await pki.leaf(config.edge.server_names);
    return { key, cert };
  }
  const own = { key: readText(tls.key, 'a PEM file is needed'), cert: readText(tls.cert, 'a PEM file is needed') };
  const wrong = unusableCertificate(own, config.edge.server_names, Date.now());
  if (wrong !== undefined) throw config.fault({ ...wrong, path: ['edge', 'tls', wrong.half] });
  return own;
}

/** A question to zone 1. */
interface Waiting {
  /** The place of what zone 1 finds wrong. */
  fault(message: string): ConfigError;
  resolve(message: FromGateway): void;
  reject(error: Error): void;
}

/** Zone 0's end of its connection with zone 1. */
class GatewayHandle {
  readonly zone: Zone<ToGateway>;
  applied = 0;
  #version = 0;
  #endRenewal = (): void => undefined;
  #counts: Extract<FromGateway, { kind: 'counts' }> | undefined;
  #issuer: Issuer | undefined;
  #leases: Leases | undefined;
  /** In the order of what was asked, which is the order of the answers. */
  #waiting: Waiting[] = [];

  constructor() {
    const main = join(import.meta.dirname, '../main.ts');
    this.zone = startZone<ToGateway, FromGateway>({ name: 'gateway', main, ownMounts: false }, (message) => {
      if (message.kind === 'issuer') void this.#answer(message.id, message.request);
      else if (message.kind === 'confirm') this.#confirm(message.id, message.call);
      else if (message.kind === 'lease') void this.#lend(message.id, message.wish);
      else if (message.kind === 'revoke') void this.#leases?.giveBack(message.leases);
      else if (message.kind === 'counts') this.#counts = message;
      else this.#settle(message);
    });
    void this.zone.exited.then(() => {
      for (const { reject } of this.#waiting.splice(0)) reject(new SafetyError('the gateway zone ended'));
    });
  }

  async open(config: Config, pki: Pki): Promise<number> {
    const { host, port } = config.edge.listen;
    const { cert, key } = await certificate(config, pki);
    const renew = async (): Promise<void> =>
      this.zone.send({ kind: 'certificate', ...(await certificate(config, pki)) });
    const renewed = (): void => void renew().catch((error) => complain(`no new certificate: ${String(error)}`));
    const timer = setInterval(renewed, RENEW_EVERY);
    const { tls } = config.edge;
    const unwatch = watchFiles(
      [tls.cert, tls.key].filter((path) => path !== undefined),
      renewed,
    );
    this.#endRenewal = () => {
      clearInterval(timer);
      unwatch();
    };
    const folder = join(config.state, 'audit');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const audit = { file: join(folder, 'audit.jsonl'), key: pki.auditKey.privatePem };
    const { stateStore } = config;
    const clientCertificates = tls.client_ca !== undefined || config.identity.spiffe !== undefined;
    const own = { serverNames: config.edge.server_names, key, cert, clientCertificates };
    const opening = { host, port, ...own, audit, stateStore };
    const answer = await this.#ask(
      { kind: 'open', opening },
      (message) =>
        notListening(message, config, 'edge') ??
        noStateStore(message, config) ??
        config.fault({ path: ['edge'], message }),
    );
    if (answer.kind !== 'listening') throw new SafetyError('the gateway zone did not open');
    return answer.port;
  }

  stop(): Promise<void> {
    this.#endRenewal();
    return this.zone.stop(GATEWAY_GRACE);
  }

  serveIssuer(issuer: Issuer): void {
    this.#issuer = issuer;
  }

  serveLeases(leases: Leases): void {
    this.#leases = leases;
  }

  /** @throws ConfigError when the zone cannot use it, and goes on with the bundle before */
  async apply(bundle: Omit<GatewayBundle, 'version'>, config: Config): Promise<void> {
    const version = ++this.#version;
    const answer = await this.#ask({ kind: 'bundle', bundle: { ...bundle, version } }, (message) =>
      config.fault({ path: ['servers'], message, mend: 'run `innerkeep add` for that server again' }),
    );
    if (answer.kind !== 'applied') throw new SafetyError('the gateway zone did not take the bundle');
    this.applied = answer.version;
  }

  metrics() {
    const memory = { control: process.memoryUsage.rss(), gateway: this.#counts?.memory ?? 0 };
    return { calls: this.#counts?.calls ?? 0, refusals: this.#counts?.refusals ?? {}, memory };
  }

  #ask(message: ToGateway, fault: Waiting['fault']): Promise<FromGateway> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ fault, resolve, reject });
      this.zone.send(message);
    });
  }

  #settle(answer: FromGateway): void {
    const asked = this.#waiting.shift();
    if (answer.kind === 'refused') asked?.reject(refusedBy(answer, (_, message) => asked.fault(message)));
    else asked?.resolve(answer);
  }

  #confirm(id: number, call: CallToConfirm): void {
    this.zone.send({ kind: 'confirmation', id, answer: this.#issuer?.confirm(call) ?? { kind: 'full' } });
  }

  async #lend(id: number, wish: LeaseWish): Promise<void> {
    const answer = (await this.#leases?.lend(wish)) ?? { missing: 'no secret store is open' };
    this.zone.send({ kind: 'leased', id, answer });
  }

  async #answer(id: number, request: IssuerRequest): Promise<void> {
    const unavailable = { status: 503, headers: {}, body: '' };
    const answer = await this.#issuer?.handle(request).catch((error: unknown) => {
      log({ event: 'fault', error: String(error) });
    });
    this.zone.send({ kind: 'issued', id, answer: answer ?? unavailable });
  }
}
