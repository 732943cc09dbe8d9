import { relative } from 'node:path';
import type { GatewayServer, RuntimeServer, SandboxDriverName } from '../../contract/bundle.ts';
import type { EgressRule } from '../../contract/egress.ts';
import { isMapped } from '../../contract/resource-mapping.ts';
import type { WantedSecret, WireSecret } from '../../contract/wire-secret.ts';
import { type Config, readText } from '../config/load.ts';
import { own } from '../config/own.ts';
import { configError, SafetyError } from '../config/problem.ts';
import type { ServerSettings } from '../config/schema.ts';
import { copyDirectory } from './directory.ts';
import { type Lock, type LockedServer, lockPath, pinnedServer } from './lock.ts';
import type { NpmSettings } from './npm-settings.ts';
import type { LockedFiles } from './package-server.ts';
import { profileDigest, profileOf } from './profile.ts';
import { fasterStart } from './start-pin.ts';
import { Store } from './store.ts';

/** A remote server has no sandbox whose deadline could be set. */
const REMOTE_DEADLINE = 30_000;

/** Milliseconds without a call after which a session's sandbox ends. */
const IDLE = 5 * 60_000;

interface Pinned {
  readonly gateway: readonly GatewayServer[];
  readonly runtime: readonly RuntimeServer[];
}

/**
 * Everything that may be started, checked byte by byte: what the store lacks is installed exactly as the lock pins it,
 * what it has is read again.
 * @param platform `linux-x64`
 * @throws SafetyError for what is not pinned or not what was pinned, ConfigError for what cannot be had
 */
export async function prepareServers(
  config: Config,
  lock: Lock,
  npm: () => Promise<NpmSettings>,
  platform: string,
): Promise<Pinned> {
  const pinned = pinsFor(config, lock);
  const store = new Store(config.state);
  for (const [name, server] of Object.entries(config.servers)) {
    if (server.url === undefined)
      await ensureFiles(lockedFor(name, server, config, lock), server, config, store, npm, platform);
  }
  return pinned;
}

/** The files of one server, there and unchanged. */
export async function ensureFiles(
  locked: LockedFiles,
  server: ServerSettings,
  config: Config,
  store: Store,
  npm: () => Promise<NpmSettings>,
  platform: string,
): Promise<void> {
  const { digest, packages, source } = locked;
  if (digest === undefined) throw new SafetyError(`${lockPath(config.directory)}: ${source} has no digest`);
  if (store.has(digest)) return store.verify(digest);
  if (locked.platform !== undefined && locked.platform !== platform)
    throw new SafetyError(
      `${source} is pinned for ${locked.platform} only`,
      `run \`innerkeep add ${source}\` on ${platform}, in a lock of its own`,
    );
  if (packages !== undefined) {
    const settings = await npm();
    // npm's own libraries are half of a command's start: only where something is fetched.
    const { installTree } = await import('./tree.ts');
    await store.add((directory) => installTree(packages, directory, settings), digest);
  } else if (server.root !== undefined) {
    const root = server.root;
    await store.add((directory) => copyDirectory(root, directory, config.state), digest);
  } else throw new SafetyError(`${lockPath(config.directory)}: ${source} has no packages`);
}

/**
 * What the gateway and the runtime may know of: each server of the configuration with the pins that were reviewed for it.
 * @throws SafetyError for a server without pins, or whose source, arguments or command are others than those pinned
 */
export function pinsFor(config: Config, lock: Lock): Pinned {
  const gateway: GatewayServer[] = [];
  const runtime: RuntimeServer[] = [];
  for (const [name, server] of Object.entries(config.servers)) {
    const locked = lockedFor(name, server, config, lock);
    const pins = pinnedServer(name, locked);
    for (const tool of Object.keys(server.tools))
      if (!pins.tools.some((pin) => pin.name === tool))
        throw configError(
          config.file,
          `servers.${name}.tools.${tool}: the server has no such tool`,
          `it has ${pins.tools.map((pin) => pin.name).join(', ')}`,
        );
    const runs = runtimeServer(name, server, locked, config);
    const profile = runs.kind === 'sandboxed' ? profileOf(runs, locked.digest ?? '', config.directory) : undefined;
    gateway.push({
      pins,
      ...(runs.kind === 'remote' && { remote: runs }),
      ...(profile && { profile }),
      ...(server.secrets.length > 0 && { credentials: wantedOf(server) }),
      ...(server.auth !== undefined && { exchanged: exchangedBy(server.auth) }),
      tools: server.tools,
      deadline: server.url === undefined ? server.sandbox.deadline : REMOTE_DEADLINE,
      ...(runs.kind === 'sandboxed' && runs.keep !== undefined && { keep: runs.keep }),
      maxResult: server.max_result,
      maxAnswer: server.max_answer,
      suspected: server.suspected_results,
      approved: server.approved_results,
      ...(server.resource?.tenant !== undefined && { tenant: server.resource.tenant }),
      ...(isMapped(server.resource ?? {}) && { resource: server.resource }),
    });
    if (runs.kind === 'sandboxed' && profile !== undefined) runtime.push({ ...runs, profile: profileDigest(profile) });
  }
  return { gateway, runtime };
}

/** Issuers whose callers' tokens zone 0 may have, to exchange them; none where each person authorizes us himself. */
function exchangedBy({ exchange, trusts = [] }: NonNullable<ServerSettings['auth']>): readonly string[] {
  return exchange === undefined ? [] : [exchange, ...trusts];
}

/** How the runtime is to start or reach a server. */
export function runtimeServer(
  name: string,
  server: ServerSettings,
  locked: LockedFiles,
  config: Config,
): RuntimeServer {
  if (server.url !== undefined) {
    return {
      kind: 'remote',
      name,
      url: server.url,
      deadline: REMOTE_DEADLINE,
      maxResult: server.max_result,
      ...(server.network === undefined ? {} : { network: server.network }),
      ...(server.ca === undefined ? {} : { ca: readText(server.ca, 'a PEM file is needed') }),
    };
  }
  return {
    kind: 'sandboxed',
    name,
    driver: driverOf(server.sandbox),
    command: locked.command ?? [],
    root: new Store(config.state).path(locked.digest ?? ''),
    ...fasterStart(locked.start),
    mounts: server.mounts,
    egress: server.sandbox.egress.map(withAuthority),
    ...(server.secrets.length > 0 && { secrets: server.secrets.map(onTheWire) }),
    memory: server.sandbox.memory,
    ...(server.sandbox.isolation === 'session' && { keep: { idle: server.sandbox.idle ?? IDLE } }),
    deadline: server.sandbox.deadline,
    maxResult: server.max_result,
  };
}

/** The driver that a server's settings ask for. */
export function driverOf({ driver, accelerator, start }: ServerSettings['sandbox']): SandboxDriverName {
  if (driver === 'bubblewrap' && start === 'fork') return 'bubblewrap-fork';
  return driver === 'microvm' && accelerator === 'tcg' ? 'microvm-tcg' : driver;
}

function withAuthority({ ca, ...rule }: ServerSettings['sandbox']['egress'][number]): EgressRule {
  return ca === undefined ? rule : { ...rule, ca: readText(ca, 'a PEM file is needed') };
}

/** Each once, whatever it is used for. */
function wantedOf({ secrets }: ServerSettings): readonly WantedSecret[] {
  const per = new Map(secrets.map((secret) => [secret.ref, secret.per]));
  return [...per].map(([ref, whose]) => ({ ref, per: whose }));
}

function onTheWire({ per: _, header, ...rest }: ServerSettings['secrets'][number]): WireSecret {
  const colon = header.indexOf(': ');
  return { ...rest, header: header.slice(0, colon).toLowerCase(), template: header.slice(colon + 2) };
}

/** The lock's name for where a server comes from. */
export function sourceOf(server: Pick<ServerSettings, 'package' | 'root' | 'url'>, directory: string): string {
  return server.package ?? server.url ?? `dir:${relative(directory, server.root ?? '') || '.'}`;
}

/**
 * The reviewed entry of one configured server.
 * @throws SafetyError when there is none, or it was made for another source, command or arguments
 */
export function lockedFor(name: string, server: ServerSettings, config: Config, lock: Lock): LockedServer {
  const source = sourceOf(server, config.directory);
  const words = server.package ?? server.url ?? `./${source.slice('dir:'.length)}`;
  const tail = server.root === undefined ? (server.args ?? []) : (server.command ?? []);
  const mend = `run \`innerkeep add ${words} --name ${name}${tail.length === 0 ? '' : ` -- ${tail.join(' ')}`}\``;
  const locked = own(lock.servers, name);
  if (locked === undefined) throw new SafetyError(`the server ${name} is not pinned`, mend);
  if (locked.source !== source)
    throw new SafetyError(`the server ${name} is pinned as ${locked.source}, and configured as ${source}`, mend);
  const asPinned = server.root === undefined ? (locked.args ?? []) : (locked.command ?? []);
  if (JSON.stringify(asPinned) !== JSON.stringify(tail))
    throw new SafetyError(`the server ${name} is pinned with other arguments: ${asPinned.join(' ')}`, mend);
  return locked;
}
