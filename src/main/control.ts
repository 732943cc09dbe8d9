import { randomBytes } from 'node:crypto';
import type { Ready } from '../cli/up.ts';
import type { Turned } from '../contract/breaker.ts';
import type { GatewayBundle } from '../contract/bundle.ts';
import { standardRoutes } from '../control-plane/admin-api/routes.ts';
import { openAdminApi } from '../control-plane/admin-api/server.ts';
import { type Config, limitsOf, opaOf, trustedIssuers } from '../control-plane/config/load.ts';
import { own } from '../control-plane/config/own.ts';
import { type Issuer, openIssuer } from '../control-plane/issuer/issuer.ts';
import type { KnownClient } from '../control-plane/issuer/provider.ts';
import { pinsFor, prepareServers } from '../control-plane/packages/pins-for.ts';
import { openPki } from '../control-plane/pki/pki.ts';
import { stateDirectory } from '../control-plane/pki/state-files.ts';
import { differences } from '../control-plane/policy-registry/diff.ts';
import { type Change, Registry } from '../control-plane/policy-registry/registry.ts';
import { bundleSigner } from '../control-plane/policy-registry/sign-bundle.ts';
import { Leases } from '../control-plane/secrets/leases.ts';
import { Vault } from '../control-plane/secrets/vault.ts';
import { StateKeys } from '../control-plane/state-keys/state-keys.ts';
import { StopsFile } from '../control-plane/stops/stops-file.ts';
import { GrantStore } from '../control-plane/upstream-authorization/grant-store.ts';
import { claimState } from '../control-plane/zones/claim.ts';
import { embeddedStore } from '../drivers/secret-store/embedded.ts';
import { openOutbound } from '../gateway/transport/outbound.ts';
import { callerTokens } from './caller-tokens.ts';
import { clock } from './clock.ts';
import { Gateways } from './gateways.ts';
import { InForce } from './in-force.ts';
import { complain, log } from './log.ts';
import { openPaging } from './paging.ts';
import { peopleLog } from './people-log.ts';
import { followRelations } from './relations.ts';
import { readServed, rolledBack, type Served } from './served.ts';
import { notListening, unless } from './start-faults.ts';
import { clientAuthorities, openTrust } from './trust.ts';
import { zonesElsewhere, zonesHere } from './zones.ts';

/** A running zone 0, and what it has started. */
export interface Control {
  readonly ready: Ready;
  /** Resolves when a zone ended by itself, with the reason; then everything has to end. */
  readonly failed: Promise<string>;
  stop(): Promise<void>;
}

/**
 * Starts zone 0 by the configuration and the other zones on this machine, with so many gateways; in a `fleet` it dials the gateways that the
 * configuration names. All of it or nothing: whatever is wrong ends what was started before it.
 * @param stopping aborted when nobody waits for it any more: it ends the same way
 * @throws ConfigError (exit 2), SafetyError, StateError (exit 3), or the reason of `stopping`
 */
export async function startControl(
  configFile: string,
  state: string,
  stopping: AbortSignal,
  place: { readonly workers: number } | 'fleet',
): Promise<Control> {
  const here = place !== 'fleet';
  const started = await readServed(configFile, state, (config, lock) => {
    stateDirectory(config.state);
    // The servers of a fleet run beside its gateways.
    if (!here) return pinsFor(config, lock);
    const registry = async () =>
      (await import('../control-plane/packages/npm-settings.ts')).npmSettings(config.directory, process.env);
    return unless(stopping, prepareServers(config, lock, registry, `${process.platform}-${process.arch}`));
  });
  const { config } = started;
  const pki = await openPki(config.state, Date.now);
  const release = claimState(config.state);
  const undo: (() => Promise<void>)[] = [async () => release()];
  const stop = async (): Promise<void> => {
    const faults: unknown[] = [];
    // What cannot be ended in order keeps nothing else, and so this process, from its end.
    for (let step = undo.pop(); step !== undefined; step = undo.pop())
      await step().catch((error: unknown) => faults.push(error));
    if (faults.length > 0) throw faults[0];
  };
  try {
    const registry = new Registry(config.state, bundleSigner(pki.bundleKey.privatePem), Date.now);
    const zones = here ? await zonesHere(started, pki, place.workers, undo) : zonesElsewhere(config);
    stopping.throwIfAborted();
    let publish = (_: string): void => undefined;
    const stateKeys = new StateKeys(
      config.state,
      Date.now,
      () => publish('records are sealed with another key'),
      complain,
    );
    undo.push(async () => stateKeys.close());
    const outbound = openOutbound();
    const store = embeddedStore(new Vault(config.state, Date.now), Date.now);
    const paging = openPaging(config, outbound, store);
    undo.push(async () => paging.close());
    const source = `https://${config.edge.server_names[0]}:${config.edge.listen.port}`;
    const turned = (all: readonly Turned[]) => paging.tell(all, source);
    const gateways = new Gateways(zones.gateways, config, pki, registry, stateKeys.names, turned);
    undo.push(async () => gateways.close());
    const trust = await openTrust(config, () => publish('authorities of certificates have changed'));
    undo.push(async () => trust.close());
    const relations = await followRelations(config, () => publish('relations have changed'));
    undo.push(async () => relations?.close());
    stopping.throwIfAborted();
    const port = await unless(stopping, gateways.port());
    const origin = `https://${config.edge.server_names[0]}:${port}`;
    const resources = [`${origin}/mcp`, ...started.servers.map(({ pins }) => `${origin}/mcp/${pins.name}`)];
    const report = peopleLog(log, Date.now);
    const { token, grants } = callerTokens({
      server: (server) => own(inForce.served.config.servers, server),
      secrets: store,
      store: new GrantStore(new Vault(config.state, Date.now, 'grants')),
      origin,
      now: Date.now,
      report,
      visited: (visit) => gateways.visited(visit),
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
      visited: (visit) => gateways.visited(visit),
      now: Date.now,
      report,
      revokedMore: () => void inForce.publish(REVOKED).catch(complain),
    });
    undo.push(async () => issuer.close());
    const stops = new StopsFile(config.state);
    const nonceKey = randomBytes(32).toString('base64url');
    const bundleOf = ({ policies, servers, config: asked }: Served): Omit<GatewayBundle, 'version'> => ({
      edge: {
        origin,
        serverNames: config.edge.server_names,
        allowedOrigins: config.edge.allowed_origins,
        unauthenticated: config.edge.unauthenticated,
        maxBody: config.edge.max_body,
        // The embedded issuer knows one scope; others have their own.
        ...(config.identity.issuers.length === 0 && { scope: 'mcp' }),
        ...clientAuthorities(config),
      },
      issuers: issuersOf(config, issuer),
      revoked: issuer.revoked(),
      ...(config.identity.dpop.nonce && { nonceKey }),
      ...trust.workloads(),
      stateSeals: stateKeys.seals,
      policies,
      opa: opaOf(asked),
      ...(relations && { relations: relations.sources }),
      servers,
      limits: limitsOf(asked),
      secretRules: asked.redaction.rules,
      stops: stops.current,
      ipRisk: asked.ip_risk,
      away: config.control.away,
    });
    const inForce: InForce = new InForce(started, {
      applied: () => gateways.applied,
      apply: (served, change) => gateways.publish(bundleOf(served), change, served.config),
      rehearse: (served, last) => gateways.rehearse(bundleOf(served), last, served.config),
    });
    const leases = new Leases({
      store,
      wanted: (server) => inForce.served.servers.find(({ pins }) => pins.name === server)?.credentials ?? [],
      token,
      clock,
      fault: complain,
    });
    gateways.serve(issuer, leases);
    publish = (why) => void inForce.publish(refreshed(why)).catch(complain);
    // Before anything is signed: one of them may know more than this registry.
    await unless(stopping, gateways.met());
    await inForce.publish({ kind: 'start', who: 'innerkeep', why: 'zone 0 was started' });
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
        grants,
        externalIssuers: config.identity.issuers.map((external) => external.issuer),
        mcp: ready.mcp,
        publishRevocations: () => inForce.publish(REVOKED),
        push: ({ rollback, rehearse, ...change }) => {
          const [kind, read] =
            rollback === undefined
              ? (['push', () => readServed(configFile, state, pinsFor)] as const)
              : (['rollback', () => rolledBack(registry.find(rollback), registry, inForce.served)] as const);
          return rehearse === undefined ? inForce.push(read, { kind, ...change }) : inForce.rehearse(read, rehearse);
        },
        history: (most) => ({ versions: registry.versions.slice(-most), gateways: gateways.status() }),
        diff: (from, to) => ({
          changes: differences(
            registry.content(registry.find(from)),
            registry.content(registry.find(to ?? registry.versions.length)),
          ),
        }),
        ready: () => gateways.isReady,
        metrics: () => gateways.metrics(),
        leases: () => leases.running(),
        stops,
        publishStops: () => inForce.publish(refreshed('stops have changed')),
        budgets: () => gateways.budgets(),
        status: () => ({
          ...ready,
          bundle: gateways.applied,
          gateways: gateways.status(),
          servers: started.servers.map(({ pins }) => pins.name),
        }),
      }),
      fault: complain,
    }).catch((error: unknown) => {
      throw notListening(String(error), config, 'admin') ?? error;
    });
    undo.push(() => admin.close());
    stopping.throwIfAborted();
    return { ready: { ...ready, admin: admin.url }, failed: zones.failed, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function refreshed(why: string): Change {
  return { kind: 'refresh', who: 'innerkeep', why };
}
const REVOKED = refreshed('tokens or people were taken back');

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
