import { createHash } from 'node:crypto';
import { levelOf, type Turned, turnedText } from '../../contract/breaker.ts';

/** What people on call are told: an incident has begun, or is over. */
export interface Page {
  /** Of the incident: the same when it begins and when it is over. */
  readonly incident: string;
  readonly isOver: boolean;
  /** RFC 3339. */
  readonly time: string;
  /** How many it is about: everybody, a tenant, one caller. */
  readonly severity: 'critical' | 'error' | 'warning';
  readonly summary: string;
  /** The installation. */
  readonly source: string;
  /** What is out of order, and for whom. */
  readonly tool: string;
  readonly whose: string;
  readonly evidence: Turned['evidence'];
}

/**
 * One page for one breaker that has opened or closed; the store tells one gateway of it.
 * @param source the installation's own URL: two of them have no incident in common
 * @param now milliseconds since the epoch
 */
export function pageOf(turned: Turned, source: string, now: number): Page {
  const { key, to, evidence } = turned;
  const { action: tool, whose } = levelOf(key);
  return {
    incident: `innerkeep-${createHash('sha256')
      .update(JSON.stringify([source, key]))
      .digest('base64url')}`,
    isOver: to === 'closed',
    time: new Date(now).toISOString(),
    severity: whose === 'everybody' ? 'critical' : whose.startsWith('tenant ') ? 'error' : 'warning',
    summary: turnedText(turned).slice(0, 1024),
    ...{ source, tool, whose, evidence },
  };
}
