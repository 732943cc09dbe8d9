import { randomBytes } from 'node:crypto';
import type { GatewayBundle } from '../contract/bundle.ts';
import { standardRoutes } from '../control-plane/admin-api/routes.ts';
import { openAdminApi } from '../control-plane/admin-api/server.ts';
import { type Config, limitsOf, trustedIssuers } from '../control-plane/config/load.ts';
import { own } from '../control-plane/config/own.ts';
import { type Issuer, openIssuer } from '../control-plane/issuer/issuer.ts';
import type { KnownClient } from '../control-plane/issuer/provider.ts';
import { pinsFor, prepareServers } from '../control-plane/packages/pins-for.ts';
import { openPki } from '../control-plane/pki/pki.ts';
import { stateDirectory } from '../control-plane/pki/state-files.ts';
import { Leases } from '../control-plane/secrets/leases.ts';
import { Vault } from '../control-plane/secrets/vault.ts';
import { StopsFile } from '../control-plane/stops/stops-file.ts';
import { GrantStore } from '../control-plane/upstream-authorization/grant-store.ts';
import { claimState } from '../control-plane/zones/claim.ts';
import { embeddedStore } from '../drivers/secret-store/embedded.ts';
import { openOutbound } from '../gateway/transport/outbound.ts';
import { callerTokens } from './caller-tokens.ts';
import { clock } from './clock.ts';
import { GatewayHandle } from './gateway-handle.ts';
import { InForce } from './in-force.ts';
import { complain, log } from './log.ts';
import { peopleLog } from './people-log.ts';
import { openRuntime } from './runtime-client.ts';
import { readServed } from './served.ts';
import { notListening, unless } from './start-faults.ts';
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

/**
 * Starts all zones by the configuration, or nothing: whatever is wrong ends what was started before it.
 * @param stopping aborted when nobody waits for it any more: it ends the same way
 * @throws ConfigError (exit 2), SafetyError, StateError (exit 3), or the reason of `stopping`
 */
export async function startControl(configFile: string, state: string, stopping: AbortSignal): Promise<Control> {
  const started = await readServed(configFile, state, (config, lock) => {
    stateDirectory(config.state);
    const registry = async () =>
      (await import('../control-plane/packages/npm-settings.ts')).npmSettings(config.directory, process.env);
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
    const port = await gateway.open(config, pki, runtime.socket);
    const origin = `https://${config.edge.server_names[0]}:${port}`;
    const resources = [`${origin}/mcp`, ...started.servers.map(({ pins }) => `${origin}/mcp/${pins.name}`)];
    const outbound = openOutbound();
    const report = peopleLog(log, Date.now);
    const store = embeddedStore(new Vault(config.state, Date.now), Date.now);
    const { token, grants } = callerTokens({
      server: (server) => own(inForce.served.config.servers, server),
      secrets: store,
      store: new GrantStore(new Vault(config.state, Date.now, 'grants')),
      origin,
      now: Date.now,
      report,
      visited: (visit) => gateway.visited(visit),
    });
    const issuer = openIssuer({
      stateDir: config.state,
      issuerUrl: origin,
      resources,
      clients: knownClients(config),
      externalIssuers: config.identity.issuers.map(({ issuer }) => issuer),
      // Whoever begins a sign-in names the URL: no private address, whatever it is called.
      fetchPublic: (url) => outbound(url, { trustedHost: '', ca: undefined }),
      proofNonces: config.identity.dpop.nonce,
      upstreams: grants,
      visited: (visit) => gateway.visited(visit),
      now: Date.now,
      report,
      revokedMore: () => void inForce.publish().catch(complain),
    });
    undo.push(() => issuer.close());
    gateway.serveIssuer(issuer);
    const stops = new StopsFile(config.state);
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
      const given = { policies, servers, limits: limitsOf(asked), stops: stops.current, ipRisk: config.ip_risk };
      return gateway.apply({ edge, ...trusted, ...given }, asked);
    });
    const leases = new Leases({
      store,
      wanted: (server) => inForce.served.servers.find(({ pins }) => pins.name === server)?.credentials ?? [],
      token,
      clock,
      fault: complain,
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
        grants,
        budgets: () => gateway.budgets(),
        stops,
        publishStops: () => inForce.publish(),
        status: () => ({ ...ready, bundle: gateway.applied, servers: started.servers.map(({ pins }) => pins.name) }),
      }),
      fault: complain,
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

/** `identity.issuers` absent: the embedded one alone. */
function issuersOf(config: Config, issuer: Issuer): GatewayBundle['issuers'] {
  const external = trustedIssuers(config);
  if (external.length > 0) return external;
  return [{ issuer: issuer.issuerUrl, jwks: issuer.jwks(), tenant: { claim: 'tenant' }, embedded: true }];
}
