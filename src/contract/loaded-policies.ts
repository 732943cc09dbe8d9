import type { PolicyEngine, Question } from './policy-engine.ts';

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

/** Policies that an engine has read. */
export interface LoadedPolicies {
  /** Denies everything when there is an error among the problems. */
  readonly engine: PolicyEngine;
  readonly problems: readonly PolicyProblem[];
  /** Declared arguments that no policy can see. */
  readonly untyped: readonly { readonly action: string; readonly argument: string; readonly why: string }[];
  /** Groups of actions, and their members. */
  readonly groups: ReadonlyMap<string, readonly string[]>;
  /** Ids of the policies. */
  readonly policies: readonly string[];
  /** The permits that come nearest to a question that is denied; absent: the engine cannot tell. */
  readonly explain?: (
    question: Question,
  ) => readonly { readonly policy: string; readonly missing: readonly string[] }[];
  /** Nothing is asked any more. */
  close(): Promise<void>;
}
