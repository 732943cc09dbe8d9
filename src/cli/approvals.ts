import { z } from 'zod';
import { connectAdmin } from './admin-client.ts';
import { options, UsageError } from './options.ts';

interface Io {
  readonly json: boolean;
  readonly stdout: (text: string) => void;
  readonly stateDir: string;
}

const waiting = z.object({
  approvals: z.array(
    z.object({
      id: z.string(),
      subject: z.string(),
      tenant: z.string(),
      server: z.string(),
      tool: z.string(),
      arguments: z.string(),
    }),
  ),
});

/** `approvals`: calls that policies want an operator to approve. @throws UsageError, NotRunning, AdminRefusal */
export async function approvals(argv: readonly string[], { json, stdout, stateDir }: Io): Promise<number> {
  const { positionals } = options(argv, {}, 2);
  const [verb = 'ls', id] = positionals;
  if (verb === 'ls' && id === undefined) {
    const answer = waiting.parse(await connectAdmin(stateDir).call('GET', '/admin/approvals'));
    const rows = answer.approvals.map(
      ({ id, subject, tenant, server, tool, arguments: args }) =>
        `${id}  ${quoted(subject)} of ${quoted(tenant)}  ${server}/${quoted(tool)}  ${quoted(args)}\n`,
    );
    stdout(json ? `${JSON.stringify(answer)}\n` : rows.join(''));
    return 0;
  }
  if ((verb !== 'approve' && verb !== 'deny') || id === undefined)
    throw new UsageError('approvals [ls] | approve ID | deny ID');
  const answer = await connectAdmin(stateDir).call('POST', '/admin/approvals', { id, approve: verb === 'approve' });
  stdout(json ? `${JSON.stringify(answer)}\n` : `${id}: ${verb === 'approve' ? 'approved, once' : 'denied'}\n`);
  return 0;
}

/** Nothing that a caller says moves the cursor of a terminal, turns the text around or hides in it. */
function quoted(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (char) => `\\u{${char.codePointAt(0)?.toString(16)}}`);
}
