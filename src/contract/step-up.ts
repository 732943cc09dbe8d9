import { isObject, type JsonObject } from './json.ts';
import type { Frame } from './tool-call.ts';

/** A call that a person has to confirm before it happens, as zone 1 authorised it and as zone 0 shows it. */
export interface CallToConfirm {
  /** The Cedar entity id: `alice`, or `ISSUER#SUB` for foreign issuers. */
  readonly subject: string;
  readonly tenant: string;
  /** `Subject.key`: which issuer's subject it is, too. */
  readonly subjectKey: string;
  readonly server: string;
  readonly tool: string;
  /** The whole of its arguments as canonical JSON: what is shown is what is bound. */
  readonly arguments: string;
  /** Policies want an operator's approval of it, not its person's passkey. */
  readonly approver?: 'operator';
}

export type Confirmation =
  /** The person has confirmed this call; the confirmation is used up by this answer. */
  | { readonly kind: 'confirmed'; readonly id: string }
  /** The person can do so at this address. */
  | { readonly kind: 'waiting'; readonly id: string; readonly url: string }
  /** Whoever was asked has said no to this call. */
  | { readonly kind: 'refused'; readonly id: string }
  | { readonly kind: 'full' };

/** The keys under which a client of 2026-07-28 is asked, and answers; they are between the two of us alone. */
export const STEP_UP_INPUT = 'innerkeep/step-up';
export const AUTHORIZE_INPUT = 'innerkeep/authorize';

/** Whether a client can lead its person to an address. Elicitation in URL mode has to be declared (MCP 2025-11-25 and 2026-07-28). */
export function takesUrls(
  { modern, revision }: Pick<Frame, 'modern' | 'revision'>,
  { elicitation }: JsonObject,
): boolean {
  return (modern || revision === '2025-11-25') && isObject(elicitation) && isObject(elicitation.url);
}
