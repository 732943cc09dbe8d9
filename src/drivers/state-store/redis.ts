import { Redis } from 'ioredis';
import { type SealKey, type StateStore, StateUnavailable } from '../../contract/state-store.ts';
import { type LimitsSettings, RedisLimits } from './redis/limits.ts';
import { namer } from './redis/names.ts';
import { RedisRecords } from './redis/records.ts';
import { scripts } from './redis/scripts.ts';
import { Seals } from './redis/seals.ts';

/** Milliseconds for an answer; a call waits for it. */
const TIMEOUT = 1000;
const LONGEST_RETRY = 1000;

export interface RedisSettings extends LimitsSettings {
  /** By what names are hidden; base64url. */
  readonly names: string;
  /** What records are sealed with, newest first. */
  readonly seals: () => readonly SealKey[];
}

/**
 * State that all gateways with the same URL share, in Redis or Valkey. A command is never sent a second time, and none
 * waits for a connection: what cannot be told now is refused now.
 * @param url `redis://` or `rediss://`
 * @throws StateUnavailable when it is not there, refuses our credentials, or may forget keys before their time
 */
export async function openRedisStore(url: string, settings: RedisSettings): Promise<StateStore> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: TIMEOUT,
    commandTimeout: TIMEOUT,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (times) => Math.min(times * 50, LONGEST_RETRY),
    connectionName: 'innerkeep',
  });
  // Each command tells of it too; without a listener, the library writes to the console.
  let problem = '';
  redis.on('error', (error: Error) => {
    problem = error.message;
  });
  const name = namer(settings.names);
  const limits = new RedisLimits(scripts(redis), name, settings);
  const records = new RedisRecords(redis, name, new Seals(settings.seals));
  const tell = async <T>(ask: () => Promise<T>): Promise<T> => {
    try {
      return await ask();
    } catch (error) {
      throw unavailable(error, problem);
    }
  };
  try {
    await redis.connect();
    demandMemory(await redis.info('memory'));
    await limits.ready();
  } catch (error) {
    limits.close();
    redis.disconnect();
    throw unavailable(error, problem);
  }
  return {
    once: (key, ttl) =>
      tell(async () => (await redis.set(`innerkeep:once:${name(key)}`, '', 'PX', Math.ceil(ttl), 'NX')) === 'OK'),
    take: (demand) => tell(() => limits.take(demand)),
    settle: (settlement) => limits.settle(settlement),
    observe: (watch, seen) => tell(() => limits.observe(watch, seen)),
    records: {
      read: (kind, id) => tell(() => records.read(kind, id)),
      write: (kind, id, text, ttl, over) => tell(() => records.write(kind, id, text, ttl, over)),
      remove: (kind, id) => tell(() => records.remove(kind, id)),
    },
    async close() {
      limits.close();
      redis.disconnect();
    },
  };
}

/** A store that makes room by dropping keys would let what is refused once through again. */
function demandMemory(info: string): void {
  const field = (name: string): string => new RegExp(`^${name}:(.*?)\r?$`, 'm').exec(info)?.[1] ?? '';
  const policy = field('maxmemory_policy');
  if (field('maxmemory') !== '0' && policy !== 'noeviction')
    throw new StateUnavailable(
      `maxmemory-policy is ${policy}: keys are dropped before their time; set it to noeviction`,
    );
}

function unavailable(error: unknown, problem: string): Error {
  // What we asked wrongly is no fault of the store's.
  if (error instanceof StateUnavailable || error instanceof RangeError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new StateUnavailable(problem === '' || problem === message ? message : `${message} (${problem})`);
}
