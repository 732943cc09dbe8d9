import type { Json } from './json.ts';

/** Exactly one engine. A seam of two methods; errors of the engine are denials. */
export interface PolicyEngine {
  /** May this happen, with these arguments? */
  decide(question: Question): Verdict;
  /** Could `decide` say yes for some arguments? Lists and the existence of a tool are answered by this. */
  visible(question: Omit<Question, 'arguments'>): boolean;
}

export interface Question {
  readonly subject: SubjectFacts;
  /** `files/read_text_file`, or `files#resources/read` for other methods. */
  readonly action: string;
  readonly tenant: string;
  /** Validated and frozen; raw JSON values, never Cedar's. */
  readonly arguments: Json | undefined;
  readonly context: RequestFacts;
}

export interface SubjectFacts {
  /** The Cedar entity id: `alice`, or `ISSUER#SUB` for foreign issuers. */
  readonly id: string;
  readonly kind: 'User' | 'Workload';
  readonly tenant: string;
  readonly groups: readonly string[];
  readonly acr: string | undefined;
}

export interface RequestFacts {
  /** Hour of the day, UTC, 0–23. */
  readonly hour: number;
  /** Seconds since the person authenticated with a second factor, where the token tells. */
  readonly mfa_age_s: number | undefined;
}

export interface Verdict {
  readonly allow: boolean;
  /** Ids of the policies that determined it, `file.cedar:LINE`; for the audit. */
  readonly policies: readonly string[];
  /** Why not, or what went wrong; for the audit. */
  readonly detail: string;
  /** The arguments were not canonical where a policy compares paths or URLs: a validation refusal, not a denial. */
  readonly notCanonical?: string;
}
