import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { z } from 'zod';
import { RECORD_LIFE, type SealKey } from '../../contract/state-store.ts';
import { readSecret, replaceFile, StateError } from '../pki/state-files.ts';

const key = z.string().regex(/^[\w-]{43}$/);
const stored = z.strictObject({
  names: key,
  seals: z.array(z.strictObject({ id: z.string().min(1).max(16), key, made: z.int() })).min(2),
});

/** Keys that open: the newest, the one that seals, and the one that did so before. */
const KEPT = 3;
const LOOK_EVERY = 60 * 60 * 1000;

/**
 * What gateways need so that the store that they share learns nothing: a key for names, which stays, since what was counted is
 * found by them, and keys for records, one more each day.
 */
export class StateKeys {
  readonly #file: string;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  #keys: z.output<typeof stored>;

  /**
   * @param now milliseconds since the epoch
   * @param fault is told of a key that could not be written down, and is tried again
   * @param changed there is a new key: gateways have a day to hear of it before anybody seals with it
   * @throws StateError when the file cannot be understood
   */
  constructor(stateDir: string, now: () => number, changed: () => void, fault: (error: unknown) => void) {
    this.#file = join(stateDir, 'state-keys.json');
    this.#now = now;
    this.#keys = read(this.#file) ?? this.#write({ names: random(), seals: [made(now()), made(now())] });
    this.turn();
    this.#timer = setInterval(() => {
      try {
        if (this.turn()) changed();
      } catch (error) {
        fault(error);
      }
    }, LOOK_EVERY);
    this.#timer.unref();
  }

  get names(): string {
    return this.#keys.names;
  }

  /** Newest first; the second seals. */
  get seals(): readonly SealKey[] {
    return this.#keys.seals.map(({ id, key: secret }) => ({ id, key: secret }));
  }

  /** Makes a new key when it is time for one; one step at a time, however long nobody looked. */
  turn(): boolean {
    const now = this.#now();
    if (now < (this.#keys.seals[0]?.made ?? 0) + RECORD_LIFE) return false;
    this.#write({ ...this.#keys, seals: [made(now), ...this.#keys.seals].slice(0, KEPT) });
    return true;
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #write(keys: z.output<typeof stored>) {
    replaceFile(this.#file, `${JSON.stringify(keys)}\n`);
    this.#keys = keys;
    return keys;
  }
}

function random(): string {
  return randomBytes(32).toString('base64url');
}

function made(at: number) {
  return { id: randomBytes(6).toString('base64url'), key: random(), made: at };
}

function read(file: string): z.output<typeof stored> | undefined {
  const text = readSecret(file);
  if (text === undefined) return undefined;
  try {
    return stored.parse(JSON.parse(text));
  } catch {
    // Other names would mean that everything has been counted for nothing.
    throw new StateError(`${file} is not what keys are kept in; restore it, or remove it to begin with new ones`);
  }
}
