import { createHmac } from 'node:crypto';
import type { Page } from './page.ts';

/** Who is told. Each secret is the name of one in the secret store. */
export interface Receiver {
  readonly kind: 'pagerduty' | 'alertmanager' | 'webhook';
  readonly url: string;
  /** PEM of an authority that is trusted beside the system's. */
  readonly ca: string | undefined;
  readonly secret: string | undefined;
}

export interface Sending {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** Milliseconds for which an alert stays without being told again: as long as an open breaker is remembered. */
const WEEK = 7 * 24 * 60 * 60 * 1000;

/** What one receiver is sent of a page. @param secret its value, where the receiver has one */
export function sendingOf({ kind, url }: Receiver, page: Page, secret = ''): Sending {
  const type = { 'content-type': 'application/json' };
  switch (kind) {
    case 'pagerduty':
      return { url, headers: type, body: JSON.stringify(pagerDutyEvent(page, secret)) };
    case 'alertmanager': {
      const authorization = secret === '' ? {} : { authorization: `Bearer ${secret}` };
      const path = `${url.replace(/\/$/, '')}/api/v2/alerts`;
      return { url: path, headers: { ...type, ...authorization }, body: JSON.stringify([alertOf(page)]) };
    }
    case 'webhook': {
      const body = JSON.stringify({
        type: `breaker.${page.isOver ? 'closed' : 'opened'}`,
        timestamp: page.time,
        data: page,
      });
      return { url, headers: { ...type, ...signatureOf(page, body, secret) }, body };
    }
  }
}

/** PagerDuty Events API v2: the event of one `dedup_key` opens an incident once, and closes it. */
function pagerDutyEvent({ incident, isOver, ...page }: Page, secret: string): object {
  const event = { routing_key: secret, event_action: isOver ? 'resolve' : 'trigger', dedup_key: incident };
  if (isOver) return event;
  const { summary, source, severity, time: timestamp, tool: component, whose, evidence } = page;
  const details = { whose, ...evidence };
  return {
    ...event,
    client: 'innerkeep',
    payload: { summary, source, severity, timestamp, component, class: 'breaker', custom_details: details },
  };
}

/** Prometheus Alertmanager, API v2: an alert is known by its labels, and over when its end has come. */
function alertOf({ tool, whose, source, severity, summary, time, isOver, evidence }: Page): object {
  const ends = isOver ? time : new Date(Date.parse(time) + WEEK).toISOString();
  return {
    labels: { alertname: 'InnerkeepBreakerOpen', tool, whose, source, severity },
    annotations: { summary, evidence: JSON.stringify(evidence) },
    ...(!isOver && { startsAt: time }),
    endsAt: ends,
    generatorURL: source,
  };
}

/** Standard Webhooks 1.0: HMAC-SHA-256 over id, time and body, so that nobody else's message, and none of last week's, counts. */
function signatureOf({ incident, isOver, time }: Page, body: string, secret: string): Record<string, string> {
  const id = `${incident}-${isOver ? 'closed' : 'opened'}-${Date.parse(time)}`;
  const seconds = `${Math.floor(Date.parse(time) / 1000)}`;
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret);
  const signature = createHmac('sha256', key).update(`${id}.${seconds}.${body}`).digest('base64');
  return { 'webhook-id': id, 'webhook-timestamp': seconds, 'webhook-signature': `v1,${signature}` };
}
