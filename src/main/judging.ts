import type { AuditSink } from '../contract/audit-sink.ts';
import type { GatewayBundle } from '../contract/bundle.ts';
import { fault, log, textOf } from './log.ts';
import { openPolicies } from './policies.ts';

/** Milliseconds after a swap for which calls may still be judged by what they began with: longer than any waits for a person. */
const RETIREMENT = 5 * 60_000;

type Opened = Awaited<ReturnType<typeof openPolicies>>;

/** The engine that judges now, and those of before until nothing is in flight that began with them. */
export class Judging {
  readonly #sink: AuditSink;
  readonly #retired = new Set<Opened>();
  #now: Opened | undefined;
  /** Opened last; it may never come into use. */
  #next: Opened | undefined;

  constructor(sink: AuditSink) {
    this.#sink = sink;
  }

  /** @throws Error with file, line and reason, where the bundle's policies cannot be used */
  async open(bundle: GatewayBundle): Promise<Opened> {
    await this.#next?.close();
    this.#next = undefined;
    this.#next = await openPolicies(bundle, (why) => this.#tell(why));
    return this.#next;
  }

  use(opened: Opened): void {
    const before = this.#now;
    this.#now = opened;
    this.#next = undefined;
    if (before === undefined) return;
    this.#retired.add(before);
    setTimeout(() => {
      this.#retired.delete(before);
      before.close().catch(fault);
    }, RETIREMENT).unref();
  }

  async close(): Promise<void> {
    await Promise.all([...this.#retired, this.#now, this.#next].map((one) => one?.close()));
  }

  /** What judges beside this process has gone, or is back: in between everything is denied. */
  #tell(why: string | undefined): void {
    const detail = why === undefined ? 'the policy engine answers again' : `the policy engine does not answer: ${why}`;
    log({ event: 'policy-engine', detail });
    this.#sink.append({ time: new Date().toISOString(), event: 'alert', alert: true, detail }).catch((error) => {
      log({ event: 'fault', error: `the record of the policy engine could not be written: ${textOf(error)}` });
    });
  }
}
