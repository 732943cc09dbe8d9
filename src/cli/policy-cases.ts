import { LineCounter, parseDocument } from 'yaml';
import { z } from 'zod';
import type { PolicySource } from '../contract/bundle.ts';
import { UsageError } from './options.ts';
import type { Ask } from './policy-question.ts';
import { Session } from './session-facts.ts';

const Case = z.strictObject({
  subject: z.string().min(1),
  kind: z.enum(['User', 'Workload']).default('User'),
  tenant: z.string().min(1),
  groups: z.array(z.string()).default([]),
  acr: z.string().optional(),
  action: z.string().min(1),
  arguments: z.record(z.string(), z.json()).default({}),
  hour: z.int().min(0).max(23).optional(),
  weekday: z.int().min(1).max(7).optional(),
  mfa_age_s: z.int().min(0).optional(),
  ip_risk: z.int().min(0).max(100).optional(),
  device: z.string().optional(),
  session: Session.prefault({}),
  expect: z.enum(['allow', 'ask', 'deny']),
  why: z.string().optional(),
});

export interface PolicyCase {
  readonly file: string;
  readonly line: number;
  readonly expect: 'allow' | 'ask' | 'deny';
  readonly why: string | undefined;
  readonly asked: Ask;
}

/** The cases of one YAML or JSON file, a list. @throws UsageError naming file, line and key */
export function readCases({ file, text }: PolicySource): readonly PolicyCase[] {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [fault] = document.errors;
  if (fault) throw new UsageError(`${file}:${fault.linePos?.[0].line ?? 1}: ${fault.message.split('\n')[0]}`);
  const list: unknown = document.toJS({ maxAliasCount: 100 });
  if (!Array.isArray(list)) throw new UsageError(`${file}:1: not a list of cases`);
  return list.map((entry: unknown, index) => {
    const offset = document.getIn([index], true);
    const at = typeof offset === 'object' && offset !== null && 'range' in offset ? offset.range : undefined;
    const line = Array.isArray(at) ? lines.linePos(Number(at[0])).line : 1;
    const parsed = Case.safeParse(entry);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw new UsageError(`${file}:${line}: ${issue?.path.join('.') || 'case'}: ${issue?.message}`);
    }
    const { subject: id, kind, tenant, groups, acr, action, arguments: args, expect, why, ...context } = parsed.data;
    const asked = { subject: { id, kind, tenant, groups, acr }, action, arguments: args, context };
    return { file, line, expect, why, asked };
  });
}
