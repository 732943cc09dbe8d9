import { Redis } from 'ioredis';
import { type SealKey, type Spent, type StateStore, StateUnavailable } from '../../contract/state-store.ts';
import { RedisLimits } from './redis/limits.ts';
import { RedisMail } from './redis/mail.ts';
import { namer } from './redis/names.ts';
import { RedisOnce } from './redis/once.ts';
import { RedisRecords } from './redis/records.ts';
import { type Run, scripts } from './redis/scripts.ts';
import { Seals } from './redis/seals.ts';
import { Shared, type SharedSettings } from './redis/shared.ts';

const PATIENCE = 1000;
const LONGEST_RETRY = 1000;

export interface RedisSettings extends SharedSettings {
  /** By what names are hidden; base64url. */
  readonly names: string;
  /** What records are sealed with, newest first. */
  readonly seals: () => readonly SealKey[];
  readonly spent?: readonly Spent[];
  /** Milliseconds for an answer; a call waits for it. */
  readonly patience?: number;
}

/**
 * State that all gateways with the same URL share, in Redis or Valkey. A command is never sent a second time, and none
 * waits for a connection: what cannot be told within a second is refused, and at once when the store is known to be away.
 * @param url `redis://` or `rediss://`
 * @throws StateUnavailable when it is not there, refuses our credentials, or may forget keys before their time
 */
export async function openRedisStore(url: string, settings: RedisSettings): Promise<StateStore> {
  const { patience = PATIENCE } = settings;
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: patience,
    commandTimeout: patience,
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
  redis.on('ready', () => {
    problem = '';
  });
  let isLeaving = false;
  redis.on('close', () => {
    isLeaving = false;
  });
  const anew = (): void => {
    if (!isLeaving) redis.disconnect(true);
    isLeaving = true;
  };
  const tell = async <T>(ask: () => Promise<T>): Promise<T> => {
    try {
      return await ask();
    } catch (error) {
      // A primary that has become a replica: the address may lead to its successor by now.
      if (error instanceof Error && error.message.startsWith('READONLY')) anew();
      throw unavailable(error, problem);
    }
  };
  const run = scripts(redis, anew);
  const told: Run = (...asked) => tell(() => run(...asked));
  const shared = new Shared(told, settings);
  const name = namer(settings.names);
  const once = new RedisOnce(shared, name);
  const limits = new RedisLimits(shared, name, settings.spent ?? []);
  const seals = new Seals(settings.seals);
  const recordsBy = (use: Shared['use']) => new RedisRecords(redis, use, name, seals);
  const records = recordsBy((work) => shared.use(() => tell(work)));
  const mail = new RedisMail(redis, name, seals);
  const close = async (): Promise<void> => {
    mail.close();
    shared.close();
    redis.disconnect();
  };
  try {
    await tell(async () => {
      await redis.connect();
      demandMemory(await redis.info('memory'));
      await shared.ready();
      await mail.open();
    });
  } catch (error) {
    await close();
    throw error;
  }
  return {
    once: (key, ttl) => once.once(key, ttl),
    take: (demand) => limits.take(demand),
    settle: (settlement) => limits.settle(settlement),
    observe: (watch, seen) => limits.observe(watch, seen),
    records: {
      read: (...what) => records.read(...what),
      write: (...what) => records.write(...what),
      remove: (...what) => records.remove(...what),
      // Whoever fills it does not wait until it is full.
      refill: (write) => shared.join(() => write(recordsBy(tell))),
    },
    mail: {
      me: mail.me,
      send: (to, message) => tell(() => mail.send(to, message)),
      others: () => tell(() => mail.others()),
      receive: (receiver) => mail.receive(receiver),
    },
    close,
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
  const detail = problem === '' || problem === message ? message : `${message} (${problem})`;
  return new StateUnavailable(detail, { cause: error });
}
