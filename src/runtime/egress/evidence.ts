import type { EgressAttempt } from '../../contract/egress.ts';

/** Attempts of one sandbox that are told one by one; a tool that floods must not fill the log. */
const TOLD = 200;
const LONGEST = 300;

export type Witness = (attempt: EgressAttempt) => void;

/** What one sandbox attempted, told to whoever its present call belongs to. */
export class Evidence {
  readonly #standing: Witness;
  readonly #log: Witness;
  #call: Witness | undefined;
  #count = 0;
  #alert = false;

  /**
   * @param standing hears what belongs to no call
   * @param log hears all
   */
  constructor(standing: Witness, log: Witness) {
    this.#standing = standing;
    this.#log = log;
  }

  attribute(call: Witness | undefined): void {
    this.#call = call;
  }

  tell(attempt: EgressAttempt): void {
    this.#count++;
    if (this.#count > TOLD) this.#alert ||= attempt.alert;
    else this.#tell({ ...attempt, target: printable(attempt.target) });
  }

  /** Says how many there were beyond those that were told. */
  close(): void {
    const more = this.#count - TOLD;
    if (more <= 0) return;
    this.#count = 0;
    const detail = `${more} further attempts were not recorded one by one`;
    this.#tell({ via: 'unknown', target: '', code: 'limit', detail, alert: this.#alert });
  }

  #tell(attempt: EgressAttempt): void {
    this.#log(attempt);
    (this.#call ?? this.#standing)(attempt);
  }
}

function printable(text: string): string {
  return text
    .slice(0, LONGEST)
    .replace(/[^\x20-\x7e]/g, (bad) => `\\x${bad.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
