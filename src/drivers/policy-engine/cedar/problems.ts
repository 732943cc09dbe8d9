import { closest, distance } from 'fastest-levenshtein';

/** What is wrong with a policy, where, and what to do about it. */
export interface PolicyProblem {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  /** From 1, in UTF-16 code units. */
  readonly column?: number;
  /** A bundle with an error must not be used. */
  readonly severity: 'error' | 'warning';
  readonly message: string;
  readonly mend: string;
}

export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Line and column, both from 1, of the UTF-16 index `at`. */
export function positionAt(text: string, at: number): Position {
  const before = text.slice(0, at);
  const lineStart = before.lastIndexOf('\n') + 1;
  return { line: before.split('\n').length, column: at - lineStart + 1 };
}

/** Cedar counts bytes of UTF-8, JavaScript UTF-16 code units. */
export function indexOfByte(text: string, byte: number): number {
  return Buffer.from(text).subarray(0, byte).toString().length;
}

/** `; did you mean …?`, or nothing when no name is near. */
export function suggestion(name: string, known: Iterable<string>): string | undefined {
  const names = [...known];
  if (names.length === 0) return undefined;
  const nearest = closest(name, names);
  return distance(name, nearest) <= Math.max(2, Math.floor(name.length / 3)) ? nearest : undefined;
}
