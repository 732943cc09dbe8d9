import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Row } from './runs.ts';

/** An entry of expected-failures.json: scenarios that are known to fail in these runs, and why. */
interface Expectation {
  readonly runs: readonly string[];
  readonly scenarios: readonly string[];
  readonly reason: string;
}

export interface Judged {
  readonly passed: readonly Row[];
  readonly failed: readonly Row[];
  /** Failed, as expected-failures.json says. */
  readonly excused: readonly Row[];
  /** Faults of expected-failures.json itself: what passes now, what is required, what was not run. */
  readonly stale: readonly string[];
}

export function readExpectations(): readonly Expectation[] {
  return JSON.parse(readFileSync(join(import.meta.dirname, 'expected-failures.json'), 'utf8'));
}

/** @param rows of whole runs: an expectation of a run that is not among them is left alone */
export function judge(rows: readonly Row[], expectations: readonly Expectation[]): Judged {
  const runs = new Set(rows.map((row) => row.run));
  const stale: string[] = [];
  const excused = new Set<Row>();
  for (const { run, scenario, reason } of expectations.flatMap(each)) {
    if (!runs.has(run)) continue;
    const row = rows.find((candidate) => candidate.run === run && candidate.name === scenario);
    const fault =
      row === undefined
        ? 'is not run'
        : row.required
          ? 'is required and cannot be excused'
          : row.passed
            ? 'passes: take it out'
            : reason.trim() === '' && 'has no reason';
    if (fault) stale.push(`${run}: ${scenario}: ${fault}`);
    else if (row !== undefined) excused.add(row);
  }
  return {
    passed: rows.filter((row) => row.passed),
    failed: rows.filter((row) => !row.passed && !excused.has(row)),
    excused: [...excused],
    stale,
  };
}

function each({ runs, scenarios, reason }: Expectation) {
  return runs.flatMap((run) => scenarios.map((scenario) => ({ run, scenario, reason })));
}
