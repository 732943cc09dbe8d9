import type { PolicySource } from '../../../contract/bundle.ts';
import type { PolicyProblem } from '../../../contract/loaded-policies.ts';

/** The package that all files are of; OPA gets it under a name of its own for each load. */
export const PACKAGE = 'innerkeep';

/** Empty lines and comments, then the package. */
const HEAD = new RegExp(String.raw`^(?:[ \t\r]*(?:#[^\n]*)?\n)*[ \t]*package[ \t]+${PACKAGE}(?=[ \t\r]*(?:#|\n|$))`);

/** The rules that policies consist of: sets of names of policies. `decision` is what we ask for. */
export const KINDS = ['permit', 'forbid', 'ask_caller', 'ask_operator'] as const;
export type Kind = (typeof KINDS)[number];
export const DECISION = 'decision';

/** Our own rules. Each set is there, whatever the policies are; one name in each is a residual of every partial evaluation. */
function ownRules(mark: string): readonly string[] {
  return [
    ...KINDS.map((kind) => `${kind} contains "${mark}" if input.context.session.${mark}`),
    `${DECISION} := {${KINDS.map((kind) => `"${kind}": ${kind}`).join(', ')}}`,
  ];
}

/** All files as one module, so that OPA takes them all or none, in whatever order they name each other's rules. */
export interface Module {
  readonly text: string;
  /** Rules of ours, at the module's end. */
  readonly own: number;
  /** A policy's name that partial evaluation always leaves open; nothing else is named so, nor the package. */
  readonly mark: string;
  /** Where a line of the module, from 1, comes from. */
  place(row: number): Place;
  /** Where a rule is, as its text shows: the one with this name of a policy in its head, else the first of that name. */
  find(rule: string, member: string | undefined): Place;
}

interface Place {
  readonly file: string;
  readonly line: number;
}

/** @param name of its package, below `innerkeep`, with which the name of a policy that never holds begins */
export function moduleOf(
  sources: readonly PolicySource[],
  name: string,
): { readonly module: Module; readonly problems: readonly PolicyProblem[] } {
  const problems: PolicyProblem[] = [];
  const lines = [`package ${PACKAGE}.${name}`];
  const starts: { readonly file: string; readonly row: number }[] = [];
  for (const { file, text } of sources) {
    const head = HEAD.exec(text)?.[0];
    starts.push({ file, row: lines.length });
    if (!file.endsWith('.rego')) {
      const mend = 'OPA takes *.rego alone: let groups come with tokens';
      problems.push({ file, line: 1, severity: 'error', message: 'no policy for OPA', mend });
    } else if (head === undefined) {
      const message = `the file does not begin with package ${PACKAGE}`;
      problems.push({ file, line: 1, severity: 'error', message, mend: `write package ${PACKAGE} before all else` });
    } else lines.push(...blank(text, head.length).split('\n'));
  }
  const place = (row: number) => {
    const at = starts.findLast((start) => start.row < row) ?? { file: '', row: 0 };
    return { file: at.file, line: row - at.row };
  };
  const rows = headsOf(lines);
  const find = (rule: string, member: string | undefined) =>
    place(rows.get(`${rule} ${member ?? ''}`) ?? rows.get(`${rule} `) ?? 1);
  const mark = `${name}_open`;
  const own = ownRules(mark);
  return { module: { text: [...lines, ...own, ''].join('\n'), own: own.length, mark, place, find }, problems };
}

/** The first row of each rule, and of each policy's name in a rule. */
function headsOf(lines: readonly string[]): ReadonlyMap<string, number> {
  const rows = new Map<string, number>();
  for (const [index, line] of lines.entries()) {
    const [, rule, text] = HEADING.exec(line) ?? [];
    if (rule === undefined) continue;
    for (const key of [`${rule} `, `${rule} ${text === undefined ? '' : named(text)}`])
      if (!rows.has(key)) rows.set(key, index + 1);
  }
  return rows;
}

const HEADING = /^[ \t]*(?:default[ \t]+)?([A-Za-z_]\w*)(?:[ \t]+contains[ \t]+("(?:[^"\\]|\\.)*"))?/;

function named(text: string): string {
  try {
    return String(JSON.parse(text));
  } catch {
    return '';
  }
}

/** The package's clause gives way to spaces, so that lines stay where they are. */
function blank(text: string, end: number): string {
  const from = text.lastIndexOf('package', end);
  return `${text.slice(0, from)}${' '.repeat(end - from)}${text.slice(end)}`;
}
