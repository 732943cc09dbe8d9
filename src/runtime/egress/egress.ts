import type { SandboxedServer } from '../../contract/bundle.ts';
import type { EgressAttempt } from '../../contract/egress.ts';
import { Bounds, SERVER } from './bounds.ts';
import type { Resolve } from './dial.ts';
import { type EgressProxy, openProxy } from './proxy.ts';
import { endsHere, terminatorFor } from './termination/terminator.ts';

export interface EgressDeps {
  /** Directory of the proxies' sockets: the driver gets in, and nobody else of this machine. */
  readonly directory: string;
  readonly resolve: Resolve;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Hears of each attempt that belongs to no call. */
  readonly witness: (server: string, attempt: EgressAttempt) => void;
  readonly log: (event: object) => void;
}

/** Opens the way out of one more sandbox. */
export type OpenWayOut = () => Promise<EgressProxy>;

/**
 * The ways out of one server's sandboxes; undefined: it has none, and nothing of all this is started.
 * @throws when a rule asks for what cannot be done here
 */
export function waysOut(server: SandboxedServer, deps: EgressDeps | undefined): OpenWayOut | undefined {
  const { name, egress: rules = [], secrets = [] } = server;
  if (rules.length === 0) return undefined;
  if (deps === undefined) throw new Error(`${name}: there is no egress proxy here`);
  const { directory, resolve, now, witness, log } = deps;
  const ends = rules.some((rule) => endsHere(rule, secrets));
  const bounds = new Bounds(SERVER, now);
  return () =>
    openProxy({
      rules,
      directory,
      resolve,
      bounds,
      now,
      witness: (attempt) => witness(name, attempt),
      log: (attempt) => log({ event: attempt.alert ? 'egress-alert' : 'egress', server: name, ...attempt }),
      ...(ends && { terminator: terminatorFor(rules, secrets, { now, setTimer }) }),
    });
}

function setTimer(run: () => void, ms: number): () => void {
  const timer = setTimeout(run, ms).unref();
  return () => clearTimeout(timer);
}
