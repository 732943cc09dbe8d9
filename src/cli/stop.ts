import { z } from 'zod';
import { type Stop, stopText } from '../contract/stops.ts';
import { stopWish } from '../control-plane/stops/stops-file.ts';
import { connectAdmin } from './admin-client.ts';
import { options, UsageError } from './options.ts';

interface Io {
  readonly json: boolean;
  readonly stateDir: string;
  stdout(text: string): void;
}

const answer = z.strictObject({ stops: z.array(stopWish) });

/**
 * `stop` and `resume`: the kill switch of the running `up`. In force at every gateway, for calls in flight too, when it returns.
 * @throws NotRunning (exit 2), UsageError (exit 2)
 */
export async function stop(verb: 'stop' | 'resume', argv: readonly string[], io: Io): Promise<number> {
  const { values } = options(
    argv,
    {
      all: { type: 'boolean' },
      server: { type: 'string' },
      tool: { type: 'string' },
      subject: { type: 'string' },
      tenant: { type: 'string' },
    },
    0,
  );
  const wish = wishOf(values);
  const admin = connectAdmin(io.stateDir);
  const { stops } = answer.parse(
    wish === undefined ? await admin.call('GET', '/admin/stops') : await admin.call('POST', `/admin/${verb}`, wish),
  );
  if (io.json) io.stdout(`${JSON.stringify({ stops })}\n`);
  else if (stops.length === 0) io.stdout('nothing is stopped\n');
  else for (const one of stops) io.stdout(`stopped: ${stopText(one)}\n`);
  return 0;
}

interface Values {
  readonly all?: boolean | undefined;
  readonly server?: string | undefined;
  readonly tool?: string | undefined;
  readonly subject?: string | undefined;
  readonly tenant?: string | undefined;
}

/** Undefined: nothing is named, and what is stopped is shown. */
function wishOf({ all, server, tool, subject, tenant }: Values): Stop | undefined {
  const given = [all, server, tool, subject ?? tenant].filter((one) => one !== undefined);
  if (given.length === 0) return undefined;
  if (given.length > 1 || (subject !== undefined && tenant === undefined))
    throw new UsageError('one of --all, --server S, --tool S/T, --tenant T, --subject S --tenant T');
  if (all) return { kind: 'all' };
  if (server !== undefined) return { kind: 'server', name: server };
  if (tool !== undefined) return { kind: 'tool', name: tool };
  if (subject !== undefined) return { kind: 'subject', name: subject, tenant: tenant ?? '' };
  return { kind: 'tenant', name: tenant ?? '' };
}
