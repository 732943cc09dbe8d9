/** At least one sink. */
export interface AuditSink {
  /**
   * Resolves when the record outlives the death of the process; rejects when it does not, and then the call is refused.
   * Records are kept in the order of these calls.
   */
  append(record: AuditRecord): Promise<void>;
  /** Writes what waits, signs it and releases the file. */
  close(): void;
}

/** One record. Keys are stable: outsiders read them. The sink adds `seq`, `prev` and `hash`. */
export interface AuditRecord {
  /** RFC 3339, UTC, milliseconds. */
  readonly time: string;
  readonly event:
    | 'start'
    | 'stop'
    | 'bundle'
    | 'edge'
    | 'intent'
    | 'lease'
    | 'revoke'
    | 'outcome'
    | 'refusal'
    | 'answer'
    | 'embedded'
    | 'egress'
    | 'sandbox'
    | 'alert';
  readonly incident?: string;
  readonly subject?: string;
  readonly tenant?: string;
  readonly method?: string;
  readonly action?: string;
  /** SHA-256 of the raw params, so that arguments can be proven without being stored. */
  readonly params?: string;
  /** Of an attempt to leave a sandbox: the server whose it is, how it went about it, what it asked for, where it got. */
  readonly server?: string;
  readonly via?: string;
  readonly target?: string;
  readonly address?: string;
  /** The sandbox that the call shares with others of its session. */
  readonly sandbox?: string;
  /** Somebody should look at this now. */
  readonly alert?: boolean;
  readonly code?: string;
  readonly detail?: string;
  readonly policies?: readonly string[];
  /** Of an intent: who has approved it, where policies wanted that: `caller`, or `operator:ID`. */
  readonly approval?: string;
  /** Of an intent: the confirmation with a passkey that it has used up. */
  readonly confirmation?: string;
  readonly bundle?: number;
  /** Of a bundle that came into force: SHA-256 of what was signed, base64url. */
  readonly digest?: string;
  /** Milliseconds, from arrival. */
  readonly ms?: number;
  readonly bytes?: number;
  /** Rule id → number of replacements by the output filter. */
  readonly redacted?: Readonly<Record<string, number>>;
  /** Of an outcome: its result is suspected of giving orders to the model. */
  readonly suspected?: { readonly score: number; readonly reasons: readonly string[] };
  /** Of an outcome: bytes of its result that were cut off, to be read later. */
  readonly cut?: number;
  readonly remote?: string;
}
