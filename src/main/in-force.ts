import { isDeepStrictEqual } from 'node:util';
import type { PushAnswer } from '../control-plane/admin-api/push.ts';
import { ConfigError, SafetyError } from '../control-plane/config/problem.ts';
import { PolicyFault, type Served } from './served.ts';

/** The zone that decides by what is in force. */
interface Gateway {
  /** Version of the bundle that it serves by. */
  readonly applied: number;
}

/** What is served now, and how something else comes in its place: one change after the other, each whole or not at all. */
export class InForce {
  readonly #gateway: Gateway;
  readonly #apply: (served: Served) => Promise<void>;
  #served: Served;
  #turn: Promise<unknown> = Promise.resolve();

  /** @param apply puts it into the gateway; rejects when that goes on as before */
  constructor(started: Served, gateway: Gateway, apply: (served: Served) => Promise<void>) {
    this.#served = started;
    this.#gateway = gateway;
    this.#apply = apply;
  }

  get served(): Served {
    return this.#served;
  }

  /** Once more what is in force, with what has become of the rest of the bundle meanwhile. */
  publish(): Promise<void> {
    return this.#next(() => this.#apply(this.#served));
  }

  /** @param read what is asked for now, judged */
  push(read: () => Promise<Served>): Promise<PushAnswer> {
    return this.#next(async () => {
      try {
        return { changed: await this.#replace(await read()), bundle: this.#gateway.applied };
      } catch (error) {
        return { changed: false, bundle: this.#gateway.applied, refused: refusalOf(error) };
      }
    });
  }

  async #replace(asked: Served): Promise<boolean> {
    demandSameZones(this.#served, asked);
    const swapped = ({ policies, servers, config: { limits, ip_risk } }: Served) => ({
      ...{ policies, servers, limits, ip_risk },
    });
    if (isDeepStrictEqual(swapped(asked), swapped(this.#served))) return false;
    await this.#apply(asked);
    this.#served = asked;
    return true;
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
  for (const key of ['edge', 'admin', 'identity', 'stateStore'] as const)
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
