/** One thing that is wrong in a file that the operator wrote, and how to mend it. */
export interface Problem {
  readonly file: string;
  /** From 1; 0: no place in the file's text. */
  readonly line: number;
  readonly column: number;
  /** `servers.files.sandbox.memory`; empty: the file as a whole. */
  readonly key: string;
  readonly message: string;
  readonly mend?: string;
}

/** Wrong usage or configuration: exit 2. The message holds every problem, one a line, as `file:line:column`. */
export class ConfigError extends Error {
  readonly exitCode = 2;
  readonly problems: readonly Problem[];

  constructor(problems: readonly Problem[]) {
    super(problems.map((problem) => visible(describeProblem(problem))).join('\n'));
    this.name = 'ConfigError';
    this.problems = problems;
  }
}

/** Refused for safety: exit 3. */
export class SafetyError extends Error {
  readonly exitCode = 3;
  readonly mend: string | undefined;

  constructor(message: string, mend?: string) {
    super(visible(mend === undefined ? message : `${message}; ${mend}`));
    this.name = 'SafetyError';
    this.mend = mend;
  }
}

/** For a terminal: nothing in it can move the cursor, hide, or turn the line round. */
export function visible(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu, (bad) => `\\u{${bad.codePointAt(0)?.toString(16)}}`);
}

/** A `ConfigError` of one problem that has no place in a file's text. */
export function configError(file: string, message: string, mend?: string): ConfigError {
  return new ConfigError([{ file, line: 0, column: 0, key: '', message, ...(mend === undefined ? {} : { mend }) }]);
}

function describeProblem({ file, line, column, key, message, mend }: Problem): string {
  const place = line === 0 ? file : `${file}:${line}:${column}`;
  return `${place}: ${key === '' ? '' : `${key}: `}${message}${mend === undefined ? '' : `; ${mend}`}`;
}
