import { Redis } from 'ioredis';
import { type StateStore, StateUnavailable } from '../../contract/state-store.ts';
import { type LimitsSettings, RedisLimits } from './redis/limits.ts';
import { scripts } from './redis/scripts.ts';

/** Milliseconds for an answer; a call waits for it. */
const TIMEOUT = 1000;
const LONGEST_RETRY = 1000;

/**
 * State that all gateways with the same URL share, in Redis or Valkey. A command is never sent a second time, and none
 * waits for a connection: what cannot be told now is refused now.
 * @param url `redis://` or `rediss://`
 * @throws StateUnavailable when it is not there, refuses our credentials, or may forget keys before their time
 */
export async function openRedisStore(url: string, settings: LimitsSettings = {}): Promise<StateStore> {
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
  const limits = new RedisLimits(scripts(redis), settings);
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
    async once(key, ttl) {
      try {
        return (await redis.set(`innerkeep:once:${key}`, '', 'PX', Math.ceil(ttl), 'NX')) === 'OK';
      } catch (error) {
        throw unavailable(error, problem);
      }
    },
    async take(demand) {
      try {
        return await limits.take(demand);
      } catch (error) {
        throw unavailable(error, problem);
      }
    },
    settle: (settlement) => limits.settle(settlement),
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

function unavailable(error: unknown, problem: string): StateUnavailable {
  if (error instanceof StateUnavailable) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new StateUnavailable(problem === '' || problem === message ? message : `${message} (${problem})`);
}
