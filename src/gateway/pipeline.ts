import type {
  Admitted,
  Arrived,
  Authenticated,
  Authorized,
  Executed,
  Framed,
  Known,
  Sanitized,
  Validated,
} from '../contract/tool-call.ts';

/** The rooms that a call walks through. */
export interface Stages {
  authenticate(call: Arrived): Promise<Authenticated>;
  frame(call: Authenticated): Promise<Framed>;
  identify(call: Framed): Known;
  validate(call: Known): Validated;
  authorize(call: Validated): Authorized;
  admit(call: Authorized): Admitted;
  execute(call: Admitted): Promise<Executed>;
  sanitize(call: Executed): Sanitized;
}
