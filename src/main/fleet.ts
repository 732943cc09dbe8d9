import { mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { UsageError } from '../cli/options.ts';
import type { GatewayIdentity, LinkAddress } from '../contract/control-link.ts';
import { loadConfig } from '../control-plane/config/load.ts';
import { SafetyError } from '../control-plane/config/problem.ts';
import { listen } from '../control-plane/config/units.ts';
import { npmSettings } from '../control-plane/packages/npm-settings.ts';
import { prepareServers } from '../control-plane/packages/pins-for.ts';
import { openPki } from '../control-plane/pki/pki.ts';
import { privateDirectory, stateDirectory } from '../control-plane/pki/state-files.ts';
import { claimState } from '../control-plane/zones/claim.ts';
import { GatewayKeep } from './gateway-keep.ts';
import { GatewayProcess } from './gateway-process.ts';
import { openRuntime } from './runtime-client.ts';
import { readServed } from './served.ts';

/** One zone of a fleet that runs here. */
export interface RunningZone {
  /** What it says first, one JSON document. */
  readonly ready: { readonly event: 'ready' } & Readonly<Record<string, string>>;
  /** Resolves when it ended by itself, with the reason. */
  readonly failed: Promise<string>;
  stop(): Promise<void>;
}

const identityFile = z.strictObject({
  gateway: z.string(),
  key: z.string(),
  cert: z.string(),
  authority: z.string(),
  bundleKey: z.string(),
});

const runtimeSocket = (state: string): string => join(state, 'run', 'runtime.sock');

/** What one gateway of the configuration is started with, for its first time. @throws UsageError for one that is not named */
export async function enrol(name: string, configFile: string, state: string): Promise<GatewayIdentity> {
  const config = await loadConfig(configFile, state);
  if (!Object.hasOwn(config.control.gateways, name))
    throw new UsageError(`the configuration names no gateway ${JSON.stringify(name)} under control.gateways`);
  const pki = await openPki(config.state, Date.now);
  const { key, cert } = await pki.zones.gateway(name);
  return { gateway: name, key, cert, authority: pki.zones.caPem, bundleKey: pki.bundleKey.publicPem };
}

/**
 * Zone 1: waits for zone 0 at `address`, and serves at once by what it has kept, if it still may.
 * @param identity file that `control --enrol` wrote; absent: it was given before
 * @param edge where its edge listens; absent: where the configuration says for all gateways
 * @throws UsageError, StateError, SafetyError
 */
export async function runGateway(
  address: string,
  { identity, edge }: { readonly identity?: string; readonly edge?: string },
  state: string,
): Promise<RunningZone> {
  const control = addressOf('listen', address);
  const ownEdge = edge === undefined ? {} : { edge: addressOf('edge', edge) };
  stateDirectory(state);
  const release = claimState(join(state, 'gateway'));
  try {
    const keep = new GatewayKeep(state);
    if (identity !== undefined) keep.identity = readIdentity(identity);
    const own = keep.identity;
    if (own === undefined)
      throw new UsageError('--identity FILE is needed the first time: see innerkeep control --enrol');
    const start = {
      identity: own,
      control,
      runtimeSocket: runtimeSocket(state),
      auditFile: keep.auditFile,
      ...ownEdge,
    };
    const gateway = new GatewayProcess(start, keep);
    await gateway.takeUp();
    const port = await gateway.listen();
    return {
      ready: { event: 'ready', gateway: own.gateway, control: `${control.host}:${port}` },
      failed: new Promise(() => undefined),
      async stop() {
        await gateway.close();
        release();
      },
    };
  } catch (error) {
    release();
    throw error;
  }
}

/** Zone 2 beside a gateway: the sandboxed servers of this machine's configuration and lock. @throws ConfigError, SafetyError */
export async function runRuntime(configFile: string, state: string): Promise<RunningZone> {
  const served = await readServed(configFile, state, (config, lock) => {
    stateDirectory(config.state);
    const registry = () => npmSettings(config.directory, process.env);
    return prepareServers(config, lock, registry, `${process.platform}-${process.arch}`);
  });
  const { config } = served;
  mkdirSync(join(config.state, 'runtime'), { recursive: true, mode: 0o700 });
  const release = claimState(join(config.state, 'runtime'));
  const socket = runtimeSocket(config.state);
  try {
    const runtime = await openRuntime(served.sandboxed, config.state, (server, message) =>
      config.fault({ path: server === undefined ? [] : ['servers', server, 'mounts'], message }),
    );
    privateDirectory(join(config.state, 'run'));
    rmSync(socket, { force: true });
    symlinkSync(runtime.socket, socket);
    return {
      ready: { event: 'ready', runtime: socket },
      failed: runtime.zone.exited.then(() => 'the runtime zone ended'),
      async stop() {
        rmSync(socket, { force: true });
        await runtime.stop();
        release();
      },
    };
  } catch (error) {
    release();
    throw error;
  }
}

function addressOf(option: string, text: string): Extract<LinkAddress, { host: string }> {
  const parsed = listen.safeParse(text);
  if (!parsed.success) throw new UsageError(`--${option} ${text}: an address is HOST:PORT, such as 0.0.0.0:9443`);
  return parsed.data;
}

function readIdentity(file: string): GatewayIdentity {
  try {
    return identityFile.parse(JSON.parse(readFileSync(file, 'utf8')));
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) throw error;
    throw new SafetyError(`${file} is not what innerkeep control --enrol wrote`);
  }
}
