import type { PolicyProblem } from '../../../contract/loaded-policies.ts';
import { positions } from '../host/problems.ts';
import type { ParsedPolicy } from './sources.ts';

export function problem(
  policy: ParsedPolicy,
  at: number,
  severity: PolicyProblem['severity'],
  message: string,
  mend: string,
): PolicyProblem {
  return { file: policy.file, ...positions(policy.source)(policy.start + at), severity, message, mend };
}

/** Where the policy's text first has `needle`; its beginning when it is written otherwise. */
export function find(policy: ParsedPolicy, needle: string): number {
  return Math.max(0, policy.text.indexOf(needle));
}
