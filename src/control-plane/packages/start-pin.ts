import type { RuntimeServer, SandboxedServer } from '../../contract/bundle.ts';
import type { LiveDescriptors } from '../../contract/runtime-link.ts';
import type { StartPin } from '../../contract/zone-link.ts';
import { ConfigError } from '../config/problem.ts';
import type { Describe } from './review.ts';

/** Makes one module of a server's files, in a sandbox. */
export type Bundle = (server: SandboxedServer) => Promise<StartPin>;

/**
 * What a server is to be started from: its bundle where that says, byte for byte, what its files say; else its files.
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
  const start = await bundle(server);
  if ('plain' in start) return start;
  try {
    const again = await describe({ ...server, ...start });
    return same(live, again) ? start : { plain: 'its bundle says other things of itself' };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { plain: `its bundle fails: ${error.message}`.slice(0, 300) };
  }
}

function same(one: LiveDescriptors, other: LiveDescriptors): boolean {
  const parts = ({ handshake, tools, prompts, resourceTemplates }: LiveDescriptors) =>
    JSON.stringify([handshake, tools, prompts, resourceTemplates]);
  return parts(one) === parts(other);
}
