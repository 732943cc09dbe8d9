import type { EgressAttempt } from '../../contract/egress.ts';

/** Attempts of one sandbox that are told one by one in a period; a tool that floods must not fill the log. */
const TOLD = 200;
/** Milliseconds. */
const PERIOD = 60_000;
const LONGEST = 300;

export type Witness = (attempt: EgressAttempt) => void;

/** What one sandbox attempted, told to whoever its present call belongs to. */
export class Evidence {
  readonly #standing: Witness;
  readonly #log: Witness;
  readonly #now: () => number;
  #since: number;
  #call: Witness | undefined;
  #count = 0;
  #alert = false;

  /**
   * @param standing hears what belongs to no call
   * @param log hears all
   * @param now milliseconds since the epoch
   */
  constructor(standing: Witness, log: Witness, now: () => number) {
    this.#standing = standing;
    this.#log = log;
    this.#now = now;
    this.#since = now();
  }

  attribute(call: Witness | undefined): void {
    this.#call = call;
  }

  tell(attempt: EgressAttempt): void {
    if (this.#now() - this.#since > PERIOD) this.sumUp();
    this.#count++;
    const { target, detail } = attempt;
    if (this.#count > TOLD) this.#alert ||= attempt.alert;
    else this.#tell({ ...attempt, target: printable(target), ...(detail && { detail: printable(detail) }) });
  }

  /** Says how many there were in this period beyond those that were told, and begins another. */
  sumUp(): void {
    const [more, alert] = [this.#count - TOLD, this.#alert];
    this.#count = 0;
    this.#alert = false;
    this.#since = this.#now();
    if (more <= 0) return;
    const detail = `${more} further attempts were not recorded one by one`;
    this.#tell({ via: 'unknown', target: '', code: 'limit', detail, alert });
  }

  #tell(attempt: EgressAttempt): void {
    this.#log(attempt);
    (this.#call ?? this.#standing)(attempt);
  }
}

/** What a tool says may be a name of kilobytes in a ClientHello, and what a host says one in its certificate. */
function printable(text: string): string {
  return text
    .slice(0, LONGEST)
    .replace(/[^\x20-\x7e]/g, (bad) => `\\x${bad.charCodeAt(0).toString(16).padStart(2, '0')}`);
}
