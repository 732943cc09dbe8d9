import { z } from 'zod';
import { connectAdmin } from './admin-client.ts';
import { options } from './options.ts';

interface Io {
  readonly json: boolean;
  readonly stateDir: string;
  stdout(text: string): void;
}

/** Micro-dollars. */
const answer = z.strictObject({
  budgets: z.array(z.strictObject({ key: z.string(), spent: z.number(), limit: z.number(), until: z.number() })),
});

/**
 * `budget`: what the budgets of this day and month have come to, the fullest first.
 * @throws NotRunning (exit 2), UsageError (exit 2)
 */
export async function budget(argv: readonly string[], io: Io): Promise<number> {
  options(argv, {}, 0);
  const { budgets } = answer.parse(await connectAdmin(io.stateDir).call('GET', '/admin/budgets'));
  const shown = budgets
    .map(({ key, spent, limit }) => ({
      ...named(key),
      spent_usd: spent / 1e6,
      limit_usd: limit / 1e6,
      percent: limit === 0 ? 100 : Math.floor((spent * 100) / limit),
    }))
    .sort((a, b) => b.percent - a.percent || a.name.localeCompare(b.name));
  if (io.json) io.stdout(`${JSON.stringify({ budgets: shown })}\n`);
  else if (shown.length === 0) io.stdout('nothing has been spent\n');
  else
    for (const { kind, name, period, spent_usd, limit_usd, percent } of shown)
      io.stdout(`${`${percent}`.padStart(3)} %  ${kind} ${name}  ${period}  $${spent_usd} of $${limit_usd}\n`);
  return 0;
}

/** `tool files/search 2026-11`: kind, name, period. */
function named(key: string): { readonly kind: string; readonly name: string; readonly period: string } {
  const [, kind = '', name = '', period = ''] = /^(\S+) (.*) (\S+)$/s.exec(key) ?? [];
  // A subject is kind, tenant and id.
  return { kind, name: kind === 'subject' ? z.array(z.string()).parse(JSON.parse(name)).join(' ') : name, period };
}
