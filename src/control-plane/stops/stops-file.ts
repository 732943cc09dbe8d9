import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import type { Stop } from '../../contract/stops.ts';
import { readSecret, replaceFile, StateError } from '../pki/state-files.ts';

const name = z.string().min(1).max(512);

/** What `POST /admin/stop` and `/admin/resume` name. */
export const stopWish: z.ZodType<Stop> = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('all') }),
  z.strictObject({ kind: z.literal('server'), name }),
  z.strictObject({ kind: z.literal('tool'), name }),
  z.strictObject({ kind: z.literal('tenant'), name }),
  z.strictObject({ kind: z.literal('subject'), name, tenant: name }),
]);
const stored = z.array(stopWish);

/** What the operator has stopped; on disk before it is in force, so that no restart forgets it. */
export class StopsFile {
  readonly #file: string;
  #stops: readonly Stop[];

  /** @throws StateError when the file cannot be understood */
  constructor(stateDir: string) {
    this.#file = join(stateDir, 'stops.json');
    this.#stops = read(this.#file);
  }

  get current(): readonly Stop[] {
    return this.#stops;
  }

  add(stop: Stop): void {
    this.#write([...this.#without(stop), stop]);
  }

  remove(stop: Stop): void {
    this.#write(this.#without(stop));
  }

  #without(stop: Stop): readonly Stop[] {
    return this.#stops.filter((one) => !isDeepStrictEqual(one, stop));
  }

  #write(stops: readonly Stop[]): void {
    replaceFile(this.#file, `${JSON.stringify(stops)}\n`);
    this.#stops = stops;
  }
}

function read(file: string): readonly Stop[] {
  const text = readSecret(file);
  if (text === undefined) return [];
  try {
    return stored.parse(JSON.parse(text));
  } catch {
    // An unreadable list must not become an empty one: that would let what was stopped run again.
    throw new StateError(`${file} is not a list of what is stopped; restore it, or remove it to stop nothing`);
  }
}
