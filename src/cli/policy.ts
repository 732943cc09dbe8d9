import { readFileSync } from 'node:fs';
import type { GatewayServer, PolicySource } from '../contract/bundle.ts';
import type { LoadedPolicies, PolicyProblem } from '../contract/loaded-policies.ts';
import type { ToolFacts } from '../contract/policy-engine.ts';
import { options, UsageError } from './options.ts';
import { readCases } from './policy-cases.ts';
import { type Ask, ask, explanation, questionOf, readSubject } from './policy-question.ts';

/** What the configuration and the gateway's own rooms hand in. */
export interface PolicyInputs {
  readonly sources: readonly PolicySource[];
  readonly servers: readonly GatewayServer[];
  /** `*.test.yaml`, `*.test.yml` and `*.test.json` beside the policies. */
  readonly tests: readonly PolicySource[];
  /** The policy engine's loader. */
  open(sources: readonly PolicySource[]): Promise<LoadedPolicies>;
  /** The gateway's rule outside of policy. */
  sameTenant(tenant: string, server: GatewayServer): boolean;
  /** What the configuration says of the tool that an action is. */
  toolFacts(server: GatewayServer, action: string): ToolFacts;
  /** Milliseconds since the epoch. */
  now(): number;
}

interface Io {
  readonly json: boolean;
  readonly stdout: (text: string) => void;
  readonly stderr: (text: string) => void;
}

type Print = (text: string, json: unknown) => void;

/**
 * `policy lint`: problems of the policies against the pinned servers, and the arguments that policies cannot see.
 * `policy test [FILE]`: cases beside the policies. `policy explain`: one question, its verdict and why.
 * @returns 0; 1 when lint finds an error or a case does not hold; 2 when there is an error and something else was asked
 * @throws UsageError (exit 2)
 */
export async function policy(argv: string[], io: Io, load: () => Promise<PolicyInputs>): Promise<number> {
  const { values, positionals } = options(
    argv,
    {
      subject: { type: 'string' },
      kind: { type: 'string', default: 'User' },
      tenant: { type: 'string' },
      group: { type: 'string', multiple: true, default: [] },
      acr: { type: 'string' },
      action: { type: 'string' },
      arguments: { type: 'string', default: '{}' },
      hour: { type: 'string' },
      weekday: { type: 'string' },
      'mfa-age': { type: 'string' },
      'ip-risk': { type: 'string' },
      device: { type: 'string' },
      session: { type: 'string', default: '{}' },
    },
    2,
  );
  const [verb, file] = positionals;
  const known = verb === 'lint' || verb === 'test' || verb === 'explain';
  if (!known || (file !== undefined && verb !== 'test'))
    throw new UsageError('policy lint | test [FILE] | explain | push | history');
  const print: Print = (text, json) => io.stdout(io.json ? `${JSON.stringify(json)}\n` : text);
  // Read before anything is loaded: wrong usage is exit 2, whatever the state of the policies.
  const asked = verb === 'explain' ? readSubject(values) : undefined;
  const inputs = await load();
  const opened = await inputs.open(inputs.sources);
  try {
    if (verb === 'lint') return lint(inputs, opened, print);
    const errors = opened.problems.filter(({ severity }) => severity === 'error');
    if (errors.length > 0) {
      io.stderr(errors.map(line).join(''));
      return 2;
    }
    if (asked) return await explain(asked, inputs, opened, print);
    const tests = file === undefined ? inputs.tests : [{ file, text: readCaseFile(file) }];
    return await test(tests, inputs, opened, print);
  } finally {
    await opened.close();
  }
}

function line({ file, line, column, severity, message, mend }: PolicyProblem): string {
  return `${file}:${line}${column === undefined ? '' : `:${column}`}: ${severity}: ${message}\n    mend: ${mend}\n`;
}

function lint({ sources }: PolicyInputs, { problems, untyped, groups }: LoadedPolicies, print: Print): number {
  const errors = problems.filter(({ severity }) => severity === 'error').length;
  const notes = untyped.map(
    ({ action, argument, why }) => `note: policies cannot see ${argument} of ${action}: ${why}\n`,
  );
  const members = [...groups].map(([name, actions]) => `note: ${name} is ${actions.join(', ')}\n`);
  const summary = `${sources.length} files, ${errors} errors, ${problems.length - errors} warnings\n`;
  print([...problems.map(line), ...notes, ...members, summary].join(''), {
    ...{ files: sources.length, errors, problems, untyped },
    groups: Object.fromEntries(groups),
  });
  return errors > 0 ? 1 : 0;
}

async function explain(
  asked: Ask,
  inputs: PolicyInputs,
  { engine, explain: near }: LoadedPolicies,
  print: Print,
): Promise<number> {
  const answer = await ask(asked, inputs, engine);
  const question = questionOf(asked, inputs);
  const isDenied = answer.verdict !== 'allow' && typeof question !== 'string';
  const almost = isDenied ? (near?.(question) ?? []) : [];
  const silent = isDenied && near === undefined ? '  OPA does not tell which permit came nearest\n' : '';
  const told = almost.map(
    ({ policy, missing }) => `  ${policy} would permit it if\n${missing.map((part) => `    ${part}\n`).join('')}`,
  );
  print(`${explanation(answer)}${told.join('')}${silent}`, { ...answer, almost });
  return 0;
}

function readCaseFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    throw new UsageError(`cannot read ${file}`);
  }
}

async function test(
  tests: readonly PolicySource[],
  inputs: PolicyInputs,
  { engine, policies }: LoadedPolicies,
  print: Print,
): Promise<number> {
  const judged = tests.flatMap(readCases).map(async ({ file, line, expect, why, asked }) => {
    const answer = await ask(asked, inputs, engine);
    const holds = answer.verdict === expect;
    const title = why ?? `${asked.subject.id} ${asked.action}`;
    return {
      file,
      line,
      title,
      expect,
      verdict: answer.verdict,
      holds,
      policies: answer.policies,
      detail: answer.detail,
    };
  });
  const results = await Promise.all(judged);
  if (results.length === 0) throw new UsageError('no cases: write some into policies/*.test.yaml, or name a file');
  const failed = results.filter(({ holds }) => !holds).length;
  const rows = results.map(({ file, line, title, expect, verdict, holds, detail }) =>
    holds
      ? `ok      ${file}:${line} ${title}: ${verdict}\n`
      : `failed  ${file}:${line} ${title}: expected ${expect}, got ${verdict} (${detail})\n`,
  );
  const decided = new Set(results.flatMap((result) => result.policies));
  const untested = policies.filter((id) => !decided.has(id));
  const coverage = `${policies.length - untested.length} of ${policies.length} policies decided a case\n`;
  const idle = untested.map((id) => `untested  ${id}: no case is decided by it\n`);
  print([...rows, ...idle, coverage, `${results.length - failed} held, ${failed} failed\n`].join(''), {
    cases: results,
    held: results.length - failed,
    failed,
    untested,
  });
  return failed > 0 ? 1 : 0;
}
