import { diffAnswer, historyAnswer } from '../control-plane/admin-api/history.ts';
import { connectAdmin } from './admin-client.ts';
import { options, UsageError } from './options.ts';
import { printable } from './terminal.ts';

interface Io {
  readonly json: boolean;
  readonly stdout: (text: string) => void;
  readonly stateDir: string;
}

/**
 * `policy history [-n N]`: every version that was signed, who, when, why, and what each gateway serves by.
 * `policy history --diff N[..M]`: what M, or the newest, has otherwise than N.
 * @throws NotRunning (exit 2), UsageError (exit 2), AdminRefusal
 */
export async function history(argv: readonly string[], io: Io): Promise<number> {
  const { values } = options(argv, { n: { type: 'string', short: 'n', default: '20' }, diff: { type: 'string' } }, 0);
  const admin = connectAdmin(io.stateDir);
  if (values.diff !== undefined) {
    const [, from, to = ''] = /^(\d{1,10})(?:\.\.(\d{1,10}))?$/.exec(values.diff) ?? [];
    if (from === undefined) throw new UsageError('--diff takes N or N..M');
    const { changes } = diffAnswer.parse(await admin.call('GET', `/admin/diff?from=${from}&to=${to}`));
    io.stdout(io.json ? `${JSON.stringify({ changes })}\n` : changes.map(shown).join(''));
    return 0;
  }
  if (!/^[1-9]\d{0,5}$/.test(values.n)) throw new UsageError('-n takes a whole number from 1');
  const answer = historyAnswer.parse(await admin.call('GET', `/admin/history?most=${values.n}`));
  if (io.json) io.stdout(`${JSON.stringify(answer)}\n`);
  else {
    const versions = answer.versions.map(({ version, kind, who, when, why }) =>
      printable(`${version}  ${when}  ${kind}  ${who}  ${why}`),
    );
    const gateways = answer.gateways.flatMap(({ name, connected, bundle, alerts = [] }) => [
      `gateway ${name}: version ${bundle}${connected ? '' : ', away'}`,
      ...alerts.map((alert) => printable(`  alert: ${alert}`)),
    ]);
    io.stdout([...versions, ...gateways].map((line) => `${line}\n`).join(''));
  }
  return 0;
}

/** Line by line, as far as the beginning and the end of both are not the same. */
function shown({
  what,
  before,
  after,
}: {
  readonly what: string;
  readonly before: string;
  readonly after: string;
}): string {
  const [old, now] = [linesOf(before), linesOf(after)];
  let start = 0;
  while (start < Math.min(old.length, now.length) && old[start] === now[start]) start++;
  let end = 0;
  while (end < Math.min(old.length, now.length) - start && old.at(-1 - end) === now.at(-1 - end)) end++;
  const removed = old.slice(start, old.length - end).map((line) => `-${printable(line)}\n`);
  const added = now.slice(start, now.length - end).map((line) => `+${printable(line)}\n`);
  return [`${printable(what)}:${start + 1}\n`, ...removed, ...added].join('');
}

function linesOf(text: string): readonly string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}
