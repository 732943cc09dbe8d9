export interface Rule {
  readonly id: string;
  readonly level: 'error' | 'warning';
  /** What is wrong, in one sentence. */
  readonly text: string;
  /** CWE, OWASP or CIS. */
  readonly standard: string;
}

export interface Finding {
  readonly rule: Rule;
  readonly file: string;
  /** From 1 on. */
  readonly line: number;
  /** Where in a manifest, or what in the code. */
  readonly what: string;
}
