import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { request } from 'node:http';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import type { PinnedServer } from '../../src/contract/descriptors.ts';
import { type LoadedRego, loadOpa } from '../../src/drivers/policy-engine/opa/load.ts';
import { scratch } from '../support/scratch.ts';
import { files, worldWith } from './support.ts';

const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'innerkeep');
const [program] = globSync('opa-*/opa', { cwd: cache }).sort().reverse();

/** The reason to skip, where the component is absent. */
export const noOpa = program === undefined && 'opa is not there; npm run servers brings it';

/** Milliseconds: what a busy machine needs is no fault of OPA. */
export const PATIENT = 60_000;

/** A real OPA on a unix socket, and what it takes to load policies into it. */
export interface Opa {
  readonly url: string;
  readonly socket: string;
  load(text: string, servers?: readonly PinnedServer[]): Promise<LoadedRego>;
  /** Ids of the policies that it holds. */
  held(): Promise<readonly string[]>;
  stop(): Promise<void>;
  start(): Promise<void>;
}

export async function startOpa(t: TestContext): Promise<Opa> {
  const socket = join(scratch(t), 'opa.sock');
  const url = `unix:${socket}`;
  let running: ChildProcess | undefined;
  const start = async (): Promise<void> => {
    const args = ['run', '--server', '--addr', `unix://${socket}`, '--log-level', 'error', '--disable-telemetry'];
    running = spawn(join(cache, String(program)), args, { stdio: 'ignore', env: {} });
    for (let turn = 0; ; turn++) {
      const status = await get(socket, '/health').then(
        ([code]) => code,
        () => 0,
      );
      if (status === 200) return;
      if (turn > 600) throw new Error('opa does not start');
      await wait(100);
    }
  };
  const stop = async (): Promise<void> => {
    const one = running;
    running = undefined;
    if (one === undefined || one.exitCode !== null) return;
    const exited = once(one, 'exit');
    one.kill('SIGKILL');
    await exited;
  };
  t.after(stop);
  await start();
  const loaded: LoadedRego[] = [];
  t.after(() => Promise.all(loaded.map((one) => one.close())));
  return {
    ...{ url, socket, start, stop },
    load: async (text, servers = [files]) => {
      const one = await loadOpa([{ file: 'test.rego', text }], worldWith(servers), { url }, undefined, PATIENT);
      loaded.push(one);
      return one;
    },
    held: async () => {
      const [, body] = await get(socket, '/v1/policies');
      return (JSON.parse(body) as { result: { id: string }[] }).result.map(({ id }) => id);
    },
  };
}

function get(socketPath: string, path: string): Promise<readonly [number, string]> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, path }, async (answer) => {
      let text = '';
      for await (const chunk of answer) text += chunk;
      resolve([answer.statusCode ?? 0, text]);
    });
    sent.on('error', reject);
    sent.end();
  });
}

/** A test that needs OPA; skipped by its name where it is not there. */
export function opaTest(title: string, run: (opa: Opa) => Promise<void>): void {
  test(title, { skip: noOpa }, async (t) => run(await startOpa(t)));
}
