import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RuntimeServer, SandboxedServer } from '../contract/bundle.ts';
import { Refusal } from '../contract/refusal.ts';
import type { LiveDescriptors } from '../contract/runtime-link.ts';
import type { SandboxProbe } from '../contract/sandbox-driver.ts';
import type { FasterStarts, FromRuntimeZone, SemgrepRun, ToRuntimeZone, ZoneRefusal } from '../contract/zone-link.ts';
import { ConfigError, SafetyError } from '../control-plane/config/problem.ts';
import { removal } from '../control-plane/packages/removal.ts';
import { startZone, type Zone } from '../control-plane/zones/start-zone.ts';
import { RuntimeLink } from '../gateway/execution/runtime-link.ts';
import { startsFolder } from './starts-folder.ts';

/** Milliseconds that the zone gets to kill its sandboxes before it is killed, and they with it. */
export const RUNTIME_GRACE = 5000;

const zoneCommand = {
  name: 'runtime',
  main: join(import.meta.dirname, '../main.ts'),
  ownMounts: process.platform === 'linux' && process.getuid?.() === 0,
} as const;

export interface RuntimeZone {
  readonly zone: Zone<ToRuntimeZone>;
  readonly socket: string;
  stop(): Promise<void>;
}

/** The place of what a zone found wrong; `server` is undefined where it is not one server's. */
type Fault = (server: string | undefined, message: string) => ConfigError;

/** Starts zone 2; resolves when it can serve. @throws ConfigError, SafetyError with the zone's own reason */
export async function openRuntime(
  servers: readonly RuntimeServer[],
  state: string,
  fault: Fault,
): Promise<RuntimeZone> {
  const folder = mkdtempSync(join(tmpdir(), 'innerkeep-'));
  const socket = join(folder, 'runtime.sock');
  const removals = [removal(folder), removal(startsFolder(socket))];
  const remove = (): void => {
    for (const one of removals) one();
  };
  const bundle = { socket, servers, node: process.execPath };
  try {
    const { zone } = await ask(
      { kind: 'open', bundle, forbidden: [state, folder], kept: join(state, 'starts') },
      'ready',
      fault,
    );
    const stop = async (): Promise<void> => {
      await zone.stop(RUNTIME_GRACE);
      remove();
    };
    return { zone, socket, stop };
  } catch (error) {
    remove();
    throw error;
  }
}

/**
 * What a server says of itself now, asked in a runtime of its own.
 * @param config the file that has, or is to have, its settings
 * @throws ConfigError when it does not answer
 */
export async function describe(server: RuntimeServer, config: string, state: string): Promise<LiveDescriptors> {
  const fault: Fault = (_, message) =>
    new ConfigError([{ file: config, line: 0, column: 0, key: `servers.${server.name}`, message }]);
  const runtime = await openRuntime([server], state, fault);
  const link = new RuntimeLink(runtime.socket);
  try {
    const bytes = await link.describe(server.name, AbortSignal.timeout(60_000));
    return JSON.parse(new TextDecoder().decode(bytes)) as LiveDescriptors;
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    throw fault(server.name, `it does not answer: ${error.detail}`);
  } finally {
    link.close();
    await runtime.stop();
  }
}

/** What a server could be started from, made in a sandbox. */
export async function bundle(server: SandboxedServer, state: string): Promise<FasterStarts> {
  const question = { kind: 'bundle', server, node: process.execPath, forbidden: [state] } as const;
  const { zone, message } = await ask(question, 'bundled', (_, message) => {
    throw new SafetyError(message);
  });
  await zone.stop(RUNTIME_GRACE);
  return message.made;
}

/** What semgrep says, in a sandbox. @throws Error with what it died of */
export async function semgrep(run: SemgrepRun, state: string): Promise<string> {
  const question = { kind: 'semgrep', run, node: process.execPath, forbidden: [state] } as const;
  const { zone, message } = await ask(question, 'scanned', (_, message) => {
    throw new SafetyError(message);
  });
  await zone.stop(RUNTIME_GRACE);
  if ('failed' in message.result) throw new Error(message.result.failed);
  return message.result.said;
}

/** What each sandbox driver can enforce on this machine. */
export async function probeSandboxes(): Promise<readonly SandboxProbe[]> {
  const { zone, message } = await ask({ kind: 'probe', node: process.execPath }, 'probed', (_, message) => {
    throw new SafetyError(message);
  });
  await zone.stop(RUNTIME_GRACE);
  return message.probes;
}

type Answer<K> = Extract<FromRuntimeZone, { kind: K }>;

function ask<K extends FromRuntimeZone['kind']>(question: ToRuntimeZone, kind: K, fault: Fault) {
  return new Promise<{ zone: Zone<ToRuntimeZone>; message: Answer<K> }>((resolve, reject) => {
    let why: Error = new SafetyError('the runtime zone ended before it was ready');
    const zone = startZone<ToRuntimeZone, FromRuntimeZone>(zoneCommand, (message) => {
      if (message.kind === kind) resolve({ zone, message: message as Answer<K> });
      else if (message.kind === 'refused') {
        why = refusedBy(message, fault);
        void zone.stop(RUNTIME_GRACE);
      }
    });
    void zone.exited.then(() => reject(why));
    zone.send(question);
  });
}

/** A zone's refusal as the error that the command line knows. */
export function refusedBy({ exit, message, server }: ZoneRefusal, fault: Fault): ConfigError | SafetyError {
  return exit === 3 ? new SafetyError(message) : fault(server, message);
}
