import type { EgressRefusal } from '../../contract/egress.ts';

/** A connection that does not come about; the sandbox is told that and nothing more. */
export class EgressDenied extends Error {
  readonly code: EgressRefusal;
  readonly alert: boolean;

  constructor(code: EgressRefusal, detail: string, alert = false) {
    super(detail);
    this.code = code;
    this.alert = alert;
  }
}
