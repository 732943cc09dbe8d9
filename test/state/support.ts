import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';
import { openRedisStore, type RedisSettings } from '../../src/drivers/state-store/redis.ts';
import { freePort } from '../support/free-port.ts';
import { scratch } from '../support/scratch.ts';

/** The reason to skip, where the component is absent. */
export const noRedis =
  !(process.env.PATH ?? '').split(delimiter).some((folder) => existsSync(join(folder, 'redis-server'))) &&
  'redis-server is not there';

const secret = (letter: string) => Buffer.alloc(32, letter).toString('base64url');
export const seals = ['newest', 'sealing', 'before'].map((id) => ({ id, key: secret(id) }));
export const names = secret('names');

/** A store as one more gateway of a fleet has it, but for its patience: on a busy machine a good Redis may take its second. */
export const openShared = (url: string, settings: Partial<RedisSettings> = {}) =>
  openRedisStore(url, { names, seals: () => seals, patience: 30_000, ...settings });

export interface RedisServer {
  readonly url: string;
  readonly port: number;
  /** Ends it, with all that it knew. */
  stop(): Promise<void>;
  /** It answers nobody any more, and keeps its connections. */
  freeze(): void;
  thaw(): void;
}

/** A Redis of the test's own, on loopback, that keeps nothing on disk. */
export async function redisServer(t: TestContext, ...args: readonly string[]): Promise<RedisServer> {
  return startRedis(t, await freePort(), args);
}

export async function startRedis(t: TestContext, port: number, args: readonly string[] = []): Promise<RedisServer> {
  const settings = ['--port', `${port}`, '--bind', '127.0.0.1', '--save', '', '--dir', scratch(t), ...args];
  const child = spawn('redis-server', settings, { stdio: ['ignore', 'pipe', 'ignore'] });
  const exited = once(child, 'exit');
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await exited;
  };
  t.after(stop);
  let said = '';
  for await (const chunk of child.stdout.iterator({ destroyOnReturn: false })) {
    said += chunk;
    if (said.includes('Ready to accept connections')) break;
  }
  if (!said.includes('Ready to accept connections')) throw new Error(`redis-server: ${said}`);
  child.stdout.resume();
  return {
    url: `redis://127.0.0.1:${port}`,
    port,
    stop,
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
  };
}
