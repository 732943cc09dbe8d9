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
}

export type Confirmation =
  /** The person has confirmed this call; the confirmation is used up by this answer. */
  | { readonly kind: 'confirmed'; readonly id: string }
  /** The person can do so at this address. */
  | { readonly kind: 'waiting'; readonly id: string; readonly url: string }
  | { readonly kind: 'full' };

/** The key under which a client of 2026-07-28 is asked, and answers; it is between the two of us alone. */
export const STEP_UP_INPUT = 'innerkeep/step-up';
