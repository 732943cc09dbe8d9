import { chmodSync, mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { RuntimeBundle, RuntimeServer, SandboxedServer } from '../contract/bundle.ts';
import type { SandboxDriver, SandboxProbe } from '../contract/sandbox-driver.ts';
import type { FromRuntimeZone, SemgrepRun, ToRuntimeZone, ZoneRefusal } from '../contract/zone-link.ts';
import { bundled, type Made } from '../drivers/sandbox-driver/host/bundling/bundling.ts';
import { started } from '../drivers/sandbox-driver/host/bundling/started.ts';
import { checkMounts } from '../drivers/sandbox-driver/host/check-mounts.ts';
import type { MachineOptions } from '../drivers/sandbox-driver/host/machine.ts';
import { UnsafeMount } from '../drivers/sandbox-driver/host/mount-rules.ts';
import { semgrep } from '../drivers/sandbox-driver/host/scanning.ts';
import { systemResolver } from '../runtime/egress/dial.ts';
import { startRuntime } from '../runtime/runtime.ts';
import { log } from './log.ts';
import { sandboxDrivers } from './sandbox-drivers.ts';
import { startsFolder } from './starts-folder.ts';

/** Milliseconds that an orderly end may take; the sandboxes die with this process either way. */
const PATIENCE = 10_000;

/** Zone 2 as a process of its own: serves by the one bundle that zone 0 sends, ends with its channel to it. */
export function runtimeZone(): void {
  const send = (message: FromRuntimeZone): void => void (process.connected && process.send?.(message));
  let opened: Promise<() => Promise<void>> = Promise.resolve(async () => {});
  process.once('message', (message: ToRuntimeZone) => {
    opened = open(message, send).catch((error: unknown) => {
      send({ kind: 'refused', exit: 2, message: error instanceof Error ? error.message : String(error) });
      return async () => {};
    });
  });
  process.once('disconnect', () => {
    // What is half open is opened first: only then is it known what there is to close.
    setTimeout(() => process.exit(1), PATIENCE);
    void opened.then((close) => close()).finally(() => process.exit(0));
  });
}

async function open(message: ToRuntimeZone, send: (message: FromRuntimeZone) => void): Promise<() => Promise<void>> {
  if (message.kind === 'probe') {
    const probes: SandboxProbe[] = [];
    for (const make of Object.values(sandboxDrivers))
      probes.push(await make({ node: message.node, forbidden: [] }).probe());
    send({ kind: 'probed', probes });
    return async () => {};
  }
  if (message.kind === 'bundle') {
    const { server, node, forbidden } = message;
    const { snapshot, bundle } = await bundled(sandboxDrivers[server.driver]({ node, forbidden }), server);
    send({ kind: 'bundled', made: { snapshot: digested(snapshot), bundle: digested(bundle) } });
    return async () => {};
  }
  if (message.kind === 'semgrep') {
    const { run, node, forbidden } = message;
    send(await scanned(sandboxDrivers.bubblewrap({ node, forbidden }), run));
    return async () => {};
  }
  const { bundle, forbidden, kept } = message;
  const sandboxed = bundle.servers.filter((server) => server.kind === 'sandboxed');
  const drivers = driversFor(sandboxed, { node: bundle.node, forbidden });
  const refusal = (await enforced(drivers)) ?? (await mountable(drivers, sandboxed));
  if (refusal !== undefined) {
    send(refusal);
    return async () => {};
  }
  const egress = { directory: egressDirectory(dirname(bundle.socket)), resolve: systemResolver() };
  const servers = await asStarted(bundle, drivers, kept);
  const runtime = await startRuntime({ bundle: { ...bundle, servers }, drivers, now: Date.now, log, egress });
  send({ kind: 'ready' });
  return async () => {
    await runtime.close();
    // The socket's own folder; zone 0 removes it too, unless it was killed.
    rmSync(dirname(bundle.socket), { recursive: true, force: true });
    rmSync(startsFolder(bundle.socket), { recursive: true, force: true });
  };
}

async function scanned(driver: SandboxDriver, run: SemgrepRun): Promise<FromRuntimeZone> {
  try {
    return { kind: 'scanned', result: { said: await semgrep(driver, run) } };
  } catch (error) {
    return { kind: 'scanned', result: { failed: error instanceof Error ? error.message : String(error) } };
  }
}

/** Each server as it is started on this machine, for as long as the runtime lives. */
async function asStarted(
  { servers, socket }: RuntimeBundle,
  drivers: Drivers,
  kept: string,
): Promise<readonly RuntimeServer[]> {
  const all: RuntimeServer[] = [];
  const folder = startsFolder(socket);
  if (servers.some((server) => server.kind === 'sandboxed' && server.start !== undefined))
    mkdirSync(folder, { mode: 0o700 });
  for (const server of servers) {
    const driver = server.kind === 'sandboxed' ? drivers[server.driver] : undefined;
    if (server.kind !== 'sandboxed' || driver === undefined) all.push(server);
    else {
      const { server: begun, against } = await started(driver, server, join(folder, server.name), kept);
      if (against.length > 0 && server.start?.only) throw new Error(against.join('; '));
      for (const reason of against) log({ event: 'start', server: server.name, not_from: reason });
      all.push(begun);
    }
  }
  return all;
}

function digested(one: Made): { readonly digest: string } | { readonly plain: string } {
  return 'plain' in one ? one : { digest: one.digest };
}

/** Below a folder that is this user's alone; the sandboxes' own user has to walk through it to its one socket. */
function egressDirectory(folder: string): string {
  const directory = join(folder, 'egress');
  mkdirSync(directory);
  chmodSync(directory, 0o711);
  return directory;
}

type Drivers = Readonly<Record<string, SandboxDriver>>;

/** Those that a server asks for. */
function driversFor(servers: readonly SandboxedServer[], options: MachineOptions): Drivers {
  const asked = [...new Set(servers.map(({ driver }) => driver))];
  return Object.fromEntries(asked.map((name) => [name, sandboxDrivers[name](options)]));
}

/** The start is refused when a driver cannot do all of the profile: never a weaker sandbox (sandbox.isolation). */
async function enforced(drivers: Drivers): Promise<ZoneRefusal | undefined> {
  const probes = await Promise.all(Object.values(drivers).map((driver) => driver.probe()));
  const messages = probes.flatMap(({ driver, controls, mend }) => {
    const missing = controls.filter(({ held }) => !held);
    if (missing.length === 0) return [];
    const why = missing.map(({ control, evidence }) => `${control} (${evidence})`).join(', ');
    return [`${driver} cannot hold: ${why}. ${mend ?? ''}`.trim()];
  });
  return messages.length === 0 ? undefined : { kind: 'refused', exit: 3, message: messages.join('\n') };
}

/** Whether each server can use its files and mounts as declared, tried in its own kind of sandbox. */
async function mountable(drivers: Drivers, servers: readonly SandboxedServer[]): Promise<ZoneRefusal | undefined> {
  for (const [name, driver] of Object.entries(drivers))
    for (const server of servers.filter((server) => server.driver === name)) {
      try {
        await checkMounts(driver, server);
      } catch (error) {
        if (!(error instanceof UnsafeMount)) throw error;
        return { kind: 'refused', exit: 2, message: error.message, server: server.name };
      }
    }
  return undefined;
}
