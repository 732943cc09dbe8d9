import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import type { SandboxProbe } from '../contract/sandbox-driver.ts';
import type { FromRuntimeZone, ToRuntimeZone, ZoneRefusal } from '../contract/zone-link.ts';
import { bubblewrap } from '../drivers/sandbox-driver/bubblewrap/bubblewrap.ts';
import { checkMounts } from '../drivers/sandbox-driver/host/check-mounts.ts';
import { UnsafeMount } from '../drivers/sandbox-driver/host/mount-rules.ts';
import { startRuntime } from '../runtime/runtime.ts';
import { log } from './log.ts';

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
    send({ kind: 'probed', probe: await bubblewrap({ node: message.node, forbidden: [] }).probe() });
    return async () => {};
  }
  const { bundle, forbidden } = message;
  const driver = bubblewrap({ node: bundle.node, forbidden });
  const sandboxed = bundle.servers.filter((server) => server.kind === 'sandboxed');
  if (sandboxed.length > 0) {
    const refusal = enforced(await driver.probe());
    if (refusal !== undefined) {
      send(refusal);
      return async () => {};
    }
  }
  for (const server of sandboxed) {
    try {
      await checkMounts(driver, server);
    } catch (error) {
      if (!(error instanceof UnsafeMount)) throw error;
      send({ kind: 'refused', exit: 2, message: error.message, server: server.name });
      return async () => {};
    }
  }
  const runtime = await startRuntime({ bundle, drivers: { bubblewrap: driver }, now: Date.now, log });
  send({ kind: 'ready' });
  return async () => {
    await runtime.close();
    // The socket's own folder; zone 0 removes it too, unless it was killed.
    rmSync(dirname(bundle.socket), { recursive: true, force: true });
  };
}

/** The start is refused when the driver cannot do all of the profile: never a weaker sandbox (sandbox.isolation). */
function enforced(probe: SandboxProbe): ZoneRefusal | undefined {
  const missing = probe.controls.filter(({ held }) => !held);
  if (missing.length === 0) return undefined;
  const why = missing.map(({ control, evidence }) => `${control} (${evidence})`).join(', ');
  return { kind: 'refused', exit: 3, message: `${probe.driver} cannot hold: ${why}. ${probe.mend ?? ''}`.trim() };
}
