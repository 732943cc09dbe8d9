import { isDeepStrictEqual } from 'node:util';
import type { Rehearsal } from '../contract/zone-link.ts';
import type { PushAnswer } from '../control-plane/admin-api/push.ts';
import { ConfigError, SafetyError } from '../control-plane/config/problem.ts';
import type { Change } from '../control-plane/policy-registry/registry.ts';
import { PolicyFault, type Served } from './served.ts';

/** Those who decide by what is in force. */
interface Room {
  /** Version of the bundle that they serve by. */
  applied(): number;
  /** Puts it in the place of what they have; rejects when they go on as before. */
  apply(served: Served, change: Change): Promise<void>;
  rehearse(served: Served, last: number): Promise<Rehearsal>;
}

/** What is served now, and how something else comes in its place: one change after the other, each whole or not at all. */
export class InForce {
  readonly #room: Room;
  #served: Served;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(started: Served, room: Room) {
    this.#served = started;
    this.#room = room;
  }

  get served(): Served {
    return this.#served;
  }

  /** Once more what is in force, with what has become of the rest of the bundle meanwhile. */
  publish(change: Change): Promise<void> {
    return this.#next(() => this.#room.apply(this.#served, change));
  }

  /** @param read what is asked for now, judged */
  push(read: () => Promise<Served>, change: Change): Promise<PushAnswer> {
    return this.#answer(async () => {
      const asked = await read();
      const changed = this.#isOther(asked);
      if (changed) {
        await this.#room.apply(asked, change);
        this.#served = asked;
      }
      return { changed };
    });
  }

  /** As `push`, up to where it would come into force: whose answers would change, of the newest `last` of each gateway? */
  rehearse(read: () => Promise<Served>, last: number): Promise<PushAnswer> {
    return this.#answer(async () => {
      const asked = await read();
      return { changed: this.#isOther(asked), rehearsal: await this.#room.rehearse(asked, last) };
    });
  }

  #answer(work: () => Promise<Omit<PushAnswer, 'bundle'>>): Promise<PushAnswer> {
    return this.#next(async () => {
      try {
        return { ...(await work()), bundle: this.#room.applied() };
      } catch (error) {
        return { changed: false, bundle: this.#room.applied(), refused: refusalOf(error) };
      }
    });
  }

  /** @throws ConfigError naming what only a start can bring into force */
  #isOther(asked: Served): boolean {
    demandSameZones(this.#served, asked);
    const swapped = ({ policies, servers, config: { limits, ip_risk, opa } }: Served) => ({
      ...{ policies, servers, limits, ip_risk, opa },
    });
    return !isDeepStrictEqual(swapped(asked), swapped(this.#served));
  }

  #next<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}

/** @throws ConfigError naming what only a start can bring into force */
function demandSameZones({ config, servers, sandboxed }: Served, asked: Served): void {
  const faults: ConfigError[] = [];
  const differs = (path: string[], message: string): void => {
    const mend = 'end up and start it again; until then nothing of this push is in force';
    faults.push(asked.config.fault({ path, message, mend }));
  };
  for (const key of ['edge', 'admin', 'identity', 'control', 'relations', 'stateStore'] as const)
    if (!isDeepStrictEqual(asked.config[key], config[key]))
      differs([key === 'stateStore' ? 'state' : key], 'is not what up was started with');
  const named = (all: readonly { readonly name: string }[], name: string) => all.find((one) => one.name === name);
  const [old, now] = [servers, asked.servers].map((all) => all.map(({ pins }) => pins.name)) as [string[], string[]];
  for (const name of old) if (!now.includes(name)) differs(['servers'], `${name} is not there any more`);
  for (const name of now) {
    if (!old.includes(name)) differs(['servers', name], 'up was started without it');
    else if (!isDeepStrictEqual(named(sandboxed, name), named(asked.sandboxed, name)))
      differs(['servers', name], 'what runs in its sandbox, or the sandbox itself, is not what up was started with');
  }
  if (faults.length > 0) throw new ConfigError(faults.flatMap(({ problems }) => problems));
}

/** For whoever asked for the push: what was found wrong, and the exit code of the command. */
function refusalOf(error: unknown): NonNullable<PushAnswer['refused']> {
  if (error instanceof ConfigError) {
    const exit = error instanceof PolicyFault ? 1 : error.exitCode;
    return { exit, message: error.message, problems: error.problems };
  }
  if (error instanceof SafetyError) return { exit: error.exitCode, message: error.message, problems: [] };
  throw error;
}
