import { userInfo } from 'node:os';
import type { Rehearsal } from '../contract/zone-link.ts';
import { pushAnswer } from '../control-plane/admin-api/push.ts';
import type { PushRequest } from '../control-plane/admin-api/routes.ts';
import { AdminRefusal, connectAdmin } from './admin-client.ts';
import { options, UsageError } from './options.ts';
import { printable } from './terminal.ts';

interface Io {
  readonly json: boolean;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
  readonly stateDir: string;
}

/** Milliseconds; it compiles all policies and schemas twice. */
const PATIENCE = 120_000;

/**
 * `policy push [--reason TEXT] [--rollback N]`: the running zone 0 reads its configuration, policies and lock again, and has
 * gateways serve by them; or by the policies of version N, as a new version. `--dry-run [-n N]`: nothing comes into force; the
 * newest N decisions of each gateway are asked again, and those whose answers would be others are shown.
 * @returns 0; 1, 2 or 3 when they cannot be served: then everything stays as it was
 * @throws NotRunning (exit 2), UsageError (exit 2)
 */
export async function push(argv: readonly string[], io: Io): Promise<number> {
  const { values } = options(
    argv,
    {
      reason: { type: 'string', default: '' },
      rollback: { type: 'string' },
      'dry-run': { type: 'boolean' },
      n: { type: 'string', short: 'n', default: '1000' },
    },
    0,
  );
  const { rollback, n } = values;
  if (!/^\d{1,5}$/.test(n)) throw new UsageError('-n takes a whole number below 100000');
  if (rollback !== undefined && !/^[1-9]\d{0,9}$/.test(rollback)) throw new UsageError('--rollback takes a version');
  const wish = {
    who: userInfo().username,
    why: values.reason,
    ...(rollback !== undefined && { rollback: Number(rollback) }),
    ...(values['dry-run'] && { rehearse: Number(n) }),
  };
  const { changed, bundle, refused, rehearsal } = pushAnswer.parse(await ask(io.stateDir, wish));
  if (refused !== undefined) {
    const { exit, message, problems } = refused;
    if (io.json) io.stdout(`${JSON.stringify({ changed, bundle, message, problems })}\n`);
    io.stderr(`${message}\ninnerkeep policy push: refused; bundle ${bundle} stays in force\n`);
    return exit;
  }
  if (io.json) io.stdout(`${JSON.stringify({ changed, bundle, rehearsal })}\n`);
  else if (rehearsal !== undefined) io.stdout(rehearsed(rehearsal, bundle));
  else io.stdout(changed ? `bundle ${bundle} is in force\n` : `nothing has changed; bundle ${bundle} stays in force\n`);
  return 0;
}

async function ask(stateDir: string, wish: PushRequest): Promise<unknown> {
  try {
    return await connectAdmin(stateDir).call('POST', '/admin/push', wish, PATIENCE);
  } catch (error) {
    if (error instanceof AdminRefusal && error.status === 422) return error.answer;
    throw error;
  }
}

function rehearsed({ considered, changed, more }: Rehearsal, bundle: number): string {
  const rows = changed.map(({ time, subject, tenant, action, before, after, incident }) =>
    printable(`${before} → ${after}  ${subject} (${tenant})  ${action}  ${time}  ${incident}`),
  );
  const others = more === 0 ? '' : `and ${more} more\n`;
  const summary = `${considered} decisions asked again, ${changed.length + more} would be others; bundle ${bundle} stays in force\n`;
  return `${rows.map((row) => `${row}\n`).join('')}${others}${summary}`;
}
