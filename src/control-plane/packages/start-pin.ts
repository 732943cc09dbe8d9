import type { FasterStart, RuntimeServer, SandboxedServer } from '../../contract/bundle.ts';
import type { LiveDescriptors } from '../../contract/runtime-link.ts';
import type { FasterStarts } from '../../contract/zone-link.ts';
import { ConfigError } from '../config/problem.ts';
import type { LockedServer } from './lock.ts';
import type { Describe } from './review.ts';

/** Makes modules of a server's files, in a sandbox. */
export type Bundle = (server: SandboxedServer) => Promise<FasterStarts>;

export type StartPin = NonNullable<LockedServer['start']>;

/**
 * What a server is to be started from: a start-up snapshot, else its bundle, where it says from that, byte for byte, what
 * it says from its files; else these.
 * @param live what the server said, started from its files
 * @returns undefined for what is not started here
 */
export async function startPin(
  server: RuntimeServer,
  live: LiveDescriptors,
  bundle: Bundle,
  describe: Describe,
): Promise<StartPin | undefined> {
  if (server.kind === 'remote') return undefined;
  const made = await bundle(server);
  const against = async (kind: keyof FasterStarts): Promise<string | undefined> => {
    const one = made[kind];
    if ('plain' in one) return one.plain;
    try {
      const again = await describe({ ...server, start: { [kind]: one.digest, only: true } });
      return same(live, again) ? undefined : `it says other things of itself from its ${kind}`;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return error.message.slice(0, 300);
    }
  };
  const plain = await against('bundle');
  if (plain !== undefined || !('digest' in made.bundle)) return { plain: plain ?? '' };
  const bundled = { bundle: made.bundle.digest };
  const noSnapshot = await against('snapshot');
  if (noSnapshot !== undefined || !('digest' in made.snapshot)) return { ...bundled, noSnapshot: noSnapshot ?? '' };
  return { ...bundled, snapshot: made.snapshot.digest };
}

/** What the runtime is told of a pin. */
export function fasterStart(pin: StartPin | undefined): { readonly start?: FasterStart } {
  if (pin === undefined || 'plain' in pin) return {};
  return { start: { bundle: pin.bundle, ...('snapshot' in pin && { snapshot: pin.snapshot }) } };
}

function same(one: LiveDescriptors, other: LiveDescriptors): boolean {
  const parts = ({ handshake, tools, prompts, resourceTemplates }: LiveDescriptors) =>
    JSON.stringify([handshake, tools, prompts, resourceTemplates]);
  return parts(one) === parts(other);
}
