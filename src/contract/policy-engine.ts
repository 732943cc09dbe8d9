import type { Json } from './json.ts';
import type { Soon } from './soon.ts';

/**
 * Exactly one engine. A seam of two methods. An engine in this process answers at once, one beside it later; errors of
 * either are denials, and no promise of theirs is rejected.
 */
export interface PolicyEngine {
  /** May this happen, with these arguments? */
  decide(question: Question): Soon<Verdict>;
  /** Could `decide` say yes for some arguments? Lists and the existence of a tool are answered by this. */
  visible(question: Facts): Soon<boolean>;
}

/** An engine that never lets anybody wait. */
export interface PromptEngine extends PolicyEngine {
  decide(question: Question): Verdict;
  visible(question: Facts): boolean;
}

export interface Question {
  readonly subject: SubjectFacts;
  /** `files/read_text_file`, or `files#resources/read` for other methods. */
  readonly action: string;
  readonly tenant: string;
  /** What of the tenant's the call is about, where the server's arguments say so; undefined: the tenant itself. */
  readonly resource?: ResourceFacts | undefined;
  /** Validated and frozen; raw JSON values, never Cedar's. */
  readonly arguments: Json | undefined;
  readonly context: RequestFacts;
}

/** A question before its arguments are known, and with them what of the tenant's it is about. */
export type Facts = Omit<Question, 'arguments' | 'resource'>;

/** A project of a tenant, a schema of one, or a schema of the tenant itself. */
export interface ResourceFacts {
  readonly project?: string | undefined;
  readonly schema?: string | undefined;
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
  /** Day of the week, UTC, from 1, Monday, to 7 (ISO 8601). */
  readonly weekday: number;
  /** Seconds since the person authenticated with a second factor, where the token tells. */
  readonly mfa_age_s: number | undefined;
  /** Of the address that the request came from, 0–100; undefined: nobody has said anything of addresses. */
  readonly ip_risk: number | undefined;
  /** What the issuer says of the device's health, in its own words; undefined: nothing. */
  readonly device: string | undefined;
  readonly tool: ToolFacts;
  readonly session: SessionFacts;
}

/** What the configuration says of the tool; nothing of what is no tool. */
export interface ToolFacts {
  /** Labels of the data that it may give to the session, and of where it may carry data to. */
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  /** A person confirms each call with a passkey. */
  readonly step_up: boolean;
}

/** What has happened in the session so far; calls in flight count as if they had ended. */
export interface SessionFacts {
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  /** By action. */
  readonly calls: Readonly<Record<string, number>>;
  /** Actions of which a person has approved a call. */
  readonly approved: readonly string[];
}

/** Who may lift a denial: whoever makes the call, asked through the client, or somebody who runs the gateway. */
export type Approver = 'caller' | 'operator';

export interface Verdict {
  readonly allow: boolean;
  /** Ids of the policies that determined it, `file.cedar:LINE`; for the audit. */
  readonly policies: readonly string[];
  /** Why not, or what went wrong; for the audit. */
  readonly detail: string;
  /** Who has lifted the denial for this one call: `caller`, or `operator:ID`. */
  readonly approval?: string;
  /** Only policies deny it that a person may lift for one call; who, and which policies they are. */
  readonly ask?: Approver;
  /** The arguments were not canonical where a policy compares paths or URLs: a validation refusal, not a denial. */
  readonly notCanonical?: string;
}
