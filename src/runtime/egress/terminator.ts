import type { Duplex } from 'node:stream';
import type { EgressRule } from '../../contract/egress.ts';
import type { Loan } from '../../contract/wire-secret.ts';

/** Ends TLS at the proxy, for one sandbox. */
export interface Terminator {
  /** PEM of the authority that this sandbox trusts, and nobody else. */
  readonly ca: string;
  /** Whether connections under this rule are for it. */
  wants(rule: EgressRule): boolean;
  /** What it adds to requests from now on; undefined: nothing, and what was under way with a credential is cut. */
  lend(loan: Loan | undefined): void;
  /** Takes a connection over; resolves when it is over, and rejects with EgressDenied for what the record is to say. */
  terminate(connection: JudgedConnection): Promise<void>;
}

/** A connection that may be made, and has not been. */
export interface JudgedConnection {
  /** The client's side: it has been told to go on, and its ClientHello is the next that is read. */
  readonly client: Duplex;
  readonly name: string;
  readonly rule: EgressRule;
  /** TCP to the host, its addresses judged and pinned. @throws EgressDenied */
  dial(): Promise<Duplex>;
  /** Counts bytes against the bounds. @throws EgressDenied when they are reached */
  spend(bytes: number): void;
}
