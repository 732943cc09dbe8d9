import type { SandboxedServer } from '../../../../contract/bundle.ts';
import type { SandboxDriver } from '../../../../contract/sandbox-driver.ts';
import { output } from '../output.ts';
import type { Artefacts } from './artefacts.ts';
import { programs } from './bundling.ts';
import type { Place } from './place.ts';

/** Bytes of a snapshot in base64. */
const most = 128 << 20;
/** Milliseconds in which one is taken; in which a server answers from it. */
const patience = 60_000;
const firstPatience = 10_000;
/** Bytes; what is made of the server does not depend on its own limit. */
const memory = 1 << 30;
const pids = 64;

/**
 * The server as it starts from a snapshot of node in which its libraries have been evaluated, without network, mounts or
 * callers; its own files run at each start. It is started once here: what cannot start is not used.
 * @param parts bytes that were compared with the pinned digest
 * @throws why there is no snapshot
 */
export async function fromSnapshot(
  driver: SandboxDriver,
  server: SandboxedServer,
  parts: Uint8Array,
  place: Place,
  artefacts: Artefacts,
): Promise<SandboxedServer> {
  const [, ...rest] = server.command;
  const command = ['node', '--snapshot-blob', `${place.mount.to}/blob`, ...rest];
  const begun: SandboxedServer = { ...server, command, mounts: [...server.mounts, place.mount] };
  const of = ['snapshot', server.start?.snapshot, server.driver, server.command, process.version, process.arch];
  const known = artefacts.derived(of);
  const blob = known ?? (await taken(driver, server, parts, place));
  place.makeFile(blob, 'blob');
  await answers(driver, begun);
  if (known === undefined) artefacts.keepDerived(of, blob);
  return begun;
}

async function taken(driver: SandboxDriver, server: SandboxedServer, parts: Uint8Array, place: Place): Promise<Buffer> {
  const { name, root } = server;
  place.makeFile(parts, 'parts.cjs');
  const [, ...rest] = server.command;
  const command = ['node', `${programs.to}/take.mjs`, `${place.mount.to}/parts.cjs`, ...rest];
  const profile = { name, command, root, mounts: [programs, place.mount], memory, pids };
  const { blob, plain } = JSON.parse(await output(driver, profile, most, patience));
  if (typeof blob !== 'string') throw new Error(String(plain).slice(0, 500));
  return Buffer.from(blob, 'base64');
}

/** Whether it says anything at all when a client greets it. */
async function answers(driver: SandboxDriver, { name, command, root, mounts, memory }: SandboxedServer): Promise<void> {
  const sandbox = await driver.start({ name, command, root, mounts, memory, pids });
  const timer = setTimeout(() => void sandbox.kill(), firstPatience);
  try {
    const clientInfo = { name: 'innerkeep', version: '1' };
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo };
    sandbox.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params })}\n`);
    for await (const chunk of sandbox.stdout) if (chunk.length > 0) return;
    throw new Error(`it does not start from it: ${sandbox.stderrTail().trim().slice(0, 200)}`);
  } finally {
    clearTimeout(timer);
    await sandbox.kill();
  }
}
