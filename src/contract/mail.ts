/**
 * Messages between the replicas of a gateway. What arrives was written by another replica, for this very process, and
 * arrives once and in order; whoever carries it learns nothing of it but its length.
 */
export interface Mail {
  /** This process among the replicas: a random name, new with each start. */
  readonly me: string;
  /**
   * @returns false where nobody of that name is there
   * @throws StateUnavailable when that cannot be told: it may have arrived
   */
  send(to: string, message: string): Promise<boolean>;
  /** Those that are there beside this one. @throws StateUnavailable */
  others(): Promise<readonly string[]>;
  /** Has what arrives told from now on; exactly one is told. */
  receive(receiver: MailReceiver): void;
}

export interface MailReceiver {
  message(from: string, message: string): void;
  /** What this one has sent, or undefined: what anybody has, may have been lost. */
  gap(from: string | undefined): void;
}
