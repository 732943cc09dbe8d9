import type { AuditRecord, AuditSink } from '../../contract/audit-sink.ts';
import type { EgressAttempt } from '../../contract/egress.ts';
import { Refusal } from '../../contract/refusal.ts';
import {
  Admitted,
  type Arrived,
  type Authenticated,
  type Framed,
  type Known,
  type Limited,
  type Sanitized,
} from '../../contract/tool-call.ts';

export interface AuditDeps {
  readonly sink: AuditSink;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  /** Takes secrets out of what upstreams and callers said before it becomes a record (A5). */
  readonly redact: (text: string) => string;
  /** SHA-256 of a text, base64url. */
  readonly digest: (text: string) => string;
  /** May another record of an anonymous refusal be written? A flood of those must not fill the disk. */
  readonly edgeBudget: () => { readonly write: boolean; readonly suppressed: number };
}

type Embedded = Pick<AuditRecord, 'action' | 'code' | 'bytes' | 'policies' | 'redacted' | 'detail'> & {
  /** In the server's words. */
  readonly method: string;
};

type Facts = { -readonly [K in keyof AuditRecord]?: AuditRecord[K] };

/** The longest detail and method that a record keeps, in UTF-16 units. */
const MAX_DETAIL = 4096;
const MAX_METHOD = 128;

/** The records of one request: an intent before anything happens, one closing record whatever happens. */
export class AuditTrail {
  readonly #deps: AuditDeps;
  readonly #at: number;
  readonly #facts: Facts;
  #intended = false;
  #known = false;

  constructor(deps: AuditDeps, arrived: Arrived, bundle: number) {
    this.#deps = deps;
    this.#at = arrived.at;
    this.#facts = { time: '', incident: arrived.incident, remote: arrived.remote, bundle };
  }

  authenticated(call: Pick<Authenticated, 'subject'>): void {
    this.#known = true;
    this.#facts.subject = call.subject.id;
    this.#facts.tenant = call.subject.tenant;
  }

  framed(call: Framed): void {
    this.#facts.method = this.#said(call.frame.method, MAX_METHOD);
  }

  identified(call: Pick<Known, 'target'>): void {
    this.#facts.action = call.target.action;
  }

  /** What is asked about is an earlier call. */
  about(action: string | undefined): void {
    if (action !== undefined) this.#facts.action = action;
  }

  /** Writes the intent. A call whose intent cannot be written does not happen. */
  async admit(call: Limited): Promise<Admitted> {
    const { params, verdict, confirmation } = call;
    const { approval } = verdict;
    const confirmed = { ...(confirmation && { confirmation }), ...(approval && { approval }) };
    const digest = this.#deps.digest(params.raw);
    await this.#write({ event: 'intent', params: digest, policies: verdict.policies, ...confirmed });
    this.#intended = true;
    return new Admitted(call);
  }

  /** A stream was opened, or a session ended, by the HTTP method alone. */
  streamed({ arrived }: Authenticated): Promise<void> {
    this.#facts.method = arrived.httpMethod;
    return this.#write({ event: 'answer' });
  }

  /** What a server asked of the client in mid-call, and what became of it. */
  embedded({ method, detail = '', ...facts }: Embedded): Promise<void> {
    const said = { method: this.#said(method, MAX_METHOD), ...(detail && { detail: this.#said(detail, MAX_DETAIL) }) };
    return this.#write({ ...facts, ...said, event: 'embedded' });
  }

  /** What the call's sandbox tried to reach. */
  attempted(server: string, attempt: EgressAttempt): Promise<void> {
    return this.#write(egressFacts(this.#deps, server, attempt));
  }

  /** The call runs in a sandbox that others of its session share. */
  shared(server: string, sandbox: string): Promise<void> {
    return this.#write({ event: 'sandbox', server, sandbox });
  }

  /** Credentials were lent for the call, or taken back; which ones, and for what they were used. Never a value. */
  credentials(event: 'lease' | 'revoke', detail: string): Promise<void> {
    return this.#write({ event, detail: this.#said(detail, MAX_DETAIL) });
  }

  /** A server says something else of itself than what was reviewed. */
  drifted(server: string, detail: string): Promise<void> {
    return this.#write({ event: 'alert', alert: true, server, detail: this.#said(detail, MAX_DETAIL) });
  }

  /** Somebody should look at this now. */
  alert(detail: string): Promise<void> {
    return this.#write({ event: 'alert', alert: true, detail });
  }

  /** The gateway answered by itself, from the pins. */
  answered(bytes: number): Promise<void> {
    return this.#write({ event: 'answer', bytes });
  }

  completed({ result, redacted, suspected, cut }: Pick<Sanitized, 'result'> & Partial<Sanitized>): Promise<void> {
    const found = { ...(redacted && { redacted }), ...(suspected && { suspected }), ...(cut && { cut }) };
    return this.#write({ event: 'outcome', code: 'ok', bytes: result.length, ...found });
  }

  async refused(refusal: Refusal): Promise<void> {
    // Cut twice: half a secret at the end of what is looked at would not be known for one.
    const detail = this.#deps.redact(refusal.detail.slice(0, 2 * MAX_DETAIL)).slice(0, MAX_DETAIL);
    if (this.#known) {
      return this.#write({ event: this.#intended ? 'outcome' : 'refusal', code: refusal.code, detail });
    }
    const budget = this.#deps.edgeBudget();
    if (!budget.write) return;
    const more = budget.suppressed > 0 ? `${detail} (and ${budget.suppressed} like it that were not recorded)` : detail;
    return this.#write({ event: 'edge', code: refusal.code, detail: more });
  }

  /** What others said; cut after it was filtered, since no rule knows half a secret. Nobody makes us filter megabytes. */
  #said(text: string, max: number): string {
    return this.#deps.redact(text.slice(0, 4 * max)).slice(0, max);
  }

  async #write(facts: Pick<AuditRecord, 'event'> & Partial<AuditRecord>): Promise<void> {
    const now = this.#deps.now();
    // What is spread first is copied as it lies; its empty time has kept the first place for this one.
    const record = { ...this.#facts, ...facts, time: new Date(now).toISOString(), ms: now - this.#at };
    try {
      await this.#deps.sink.append(record);
    } catch (error) {
      throw new Refusal('audit', `the audit record could not be written: ${String(error)}`);
    }
  }
}

/** What a sandbox tried to reach while no call was in it. Rejects as the sink does. */
export function recordAttempt(deps: AuditDeps, server: string, attempt: EgressAttempt): Promise<void> {
  return deps.sink.append({ time: new Date(deps.now()).toISOString(), ...egressFacts(deps, server, attempt) });
}

/** The target, and what names it, are a sandbox's words. */
function egressFacts({ redact }: AuditDeps, server: string, { via, alert, code, ...said }: EgressAttempt) {
  const { target, detail, address } = said;
  return {
    event: 'egress',
    server,
    via,
    target: redact(target),
    code: code === 'allowed' ? 'ok' : code,
    ...(detail === undefined ? {} : { detail: redact(detail.slice(0, MAX_DETAIL)) }),
    ...(address === undefined ? {} : { address }),
    ...(alert && { alert }),
  } as const;
}

/** At most `perSecond` anonymous refusals a second are recorded one by one; the next one tells how many were not. */
export function edgeBudget(perSecond: number, now: () => number): AuditDeps['edgeBudget'] {
  let [second, used, suppressed] = [0, 0, 0];
  return () => {
    const current = Math.floor(now() / 1000);
    if (current !== second) [second, used] = [current, 0];
    if (used >= perSecond) {
      suppressed++;
      return { write: false, suppressed: 0 };
    }
    used++;
    const before = suppressed;
    suppressed = 0;
    return { write: true, suppressed: before };
  };
}
