import { pushAnswer } from '../control-plane/admin-api/push.ts';
import { AdminRefusal, connectAdmin } from './admin-client.ts';
import { options } from './options.ts';

interface Io {
  readonly json: boolean;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly stateDir: string;
}

/** Milliseconds; it compiles all policies and schemas twice. */
const PATIENCE = 120_000;

/**
 * `policy push`: the running `up` reads its configuration, policies and lock again, and serves by them.
 * @returns 0; 1, 2 or 3 when they cannot be served: then everything stays as it was
 * @throws NotRunning (exit 2), UsageError (exit 2)
 */
export async function push(argv: readonly string[], io: Io): Promise<number> {
  options(argv, {}, 0);
  const { changed, bundle, refused } = pushAnswer.parse(await ask(io.stateDir));
  if (refused !== undefined) {
    const { exit, message, problems } = refused;
    if (io.json) io.stdout(`${JSON.stringify({ changed, bundle, message, problems })}\n`);
    io.stderr(`${message}\ninnerkeep policy push: refused; bundle ${bundle} stays in force\n`);
    return exit;
  }
  if (io.json) io.stdout(`${JSON.stringify({ changed, bundle })}\n`);
  else io.stdout(changed ? `bundle ${bundle} is in force\n` : `nothing has changed; bundle ${bundle} stays in force\n`);
  return 0;
}

async function ask(stateDir: string): Promise<unknown> {
  try {
    return await connectAdmin(stateDir).call('POST', '/admin/push', undefined, PATIENCE);
  } catch (error) {
    if (error instanceof AdminRefusal && error.status === 422) return error.answer;
    throw error;
  }
}
