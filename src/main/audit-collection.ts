import type { Clock } from '../contract/clock.ts';
import { AUDIT_PAGE, type AuditPage } from '../contract/zone-link.ts';
import type { AuditCopy } from '../control-plane/observability/audit-copy.ts';
import { GatewayAway } from './gateway-handle.ts';
import { textOf } from './log.ts';

/** Milliseconds until a gateway is asked again: when it may have more, and when it has told all. */
const BETWEEN_PAGES = 25;
const POLL = 1000;
/** Bytes that the disk of zone 0 keeps free: a gateway that floods must not fill it. */
const FREE = 256 * 1024 * 1024;

export interface Collection {
  readonly gateway: string;
  readonly copy: AuditCopy;
  /** Asks the gateway for what follows so many bytes of its log. @throws GatewayAway, GatewayRefusal */
  readonly ask: (after: number) => Promise<AuditPage>;
  readonly clock: Clock;
  /** Bytes that are free where the copies lie. */
  readonly free: () => number;
  /** Somebody should look at this now; undefined: it is over. */
  readonly alert: (detail: string | undefined) => void;
}

/**
 * Fetches a gateway's audit log for as long as zone 0 runs: page after page, none before the one before it is on disk, each in
 * its turn with what else zone 0 asks that gateway. Ends where the gateway shows another log than before.
 * @returns ends it
 */
export function collectAudit({ gateway, copy, ask, clock, free, alert }: Collection): () => void {
  let cancel = (): void => undefined;
  let isClosed = false;
  let said: string | undefined;

  function say(detail: string | undefined): void {
    if (detail !== said) alert(detail);
    said = detail;
  }

  /** @returns milliseconds until the next */
  async function page(): Promise<number> {
    if (free() < FREE) {
      say(`there is no room for the audit records of ${gateway}`);
      return POLL;
    }
    const before = copy.size;
    const shown = await ask(before);
    if (isClosed) return POLL;
    copy.take(shown);
    if (copy.fault === undefined) say(undefined);
    return shown.size - copy.size > AUDIT_PAGE / 2 && copy.size > before ? BETWEEN_PAGES : POLL;
  }

  async function turn(): Promise<void> {
    let next = POLL;
    try {
      next = await page();
    } catch (error) {
      if (!(error instanceof GatewayAway)) say(`the audit records of ${gateway} cannot be fetched: ${textOf(error)}`);
    }
    if (isClosed) return;
    const { fault } = copy;
    if (fault !== undefined)
      say(`${gateway} does not show the audit log that it had shown before: ${fault.why}; see ${copy.directory}`);
    else cancel = clock.setTimer(() => void turn(), next);
  }

  void turn();
  return () => {
    isClosed = true;
    cancel();
    copy.close();
  };
}
