import type { Turned } from '../contract/breaker.ts';
import type { SecretStore } from '../contract/secret-store.ts';
import { type Config, readText } from '../control-plane/config/load.ts';
import { pageOf } from '../control-plane/paging/page.ts';
import { Pager } from '../control-plane/paging/pager.ts';
import type { Receiver } from '../control-plane/paging/receivers.ts';
import type { openOutbound } from '../gateway/transport/outbound.ts';
import { clock } from './clock.ts';
import { complain } from './log.ts';

/**
 * Who is told of breakers, by the configuration that zone 0 was started with.
 * @throws ConfigError for a CA file that cannot be read
 */
export function openPaging(
  { paging }: Config,
  post: ReturnType<typeof openOutbound>,
  store: SecretStore,
): { tell(turned: readonly Turned[], source: string): void; close(): void } {
  const pagers =
    paging === undefined
      ? []
      : receiversOf(paging).map(
          (receiver) => new Pager(receiver, { post, store, tenant: paging.tenant, clock, fault: complain }),
        );
  return {
    tell(turned, source) {
      for (const one of turned) {
        const page = pageOf(one, source, Date.now());
        for (const pager of pagers) pager.tell(page);
      }
    },
    close() {
      for (const pager of pagers) pager.close();
    },
  };
}

function receiversOf({ pagerduty, alertmanager, webhook }: NonNullable<Config['paging']>): Receiver[] {
  const pem = (file: string | undefined) => file && readText(file, 'a PEM file is needed');
  return [
    pagerduty && { kind: 'pagerduty', url: pagerduty.url, ca: pem(pagerduty.ca), secret: pagerduty.routing_key },
    alertmanager && {
      kind: 'alertmanager',
      url: alertmanager.url,
      ca: pem(alertmanager.ca),
      secret: alertmanager.token,
    },
    webhook && { kind: 'webhook', url: webhook.url, ca: pem(webhook.ca), secret: webhook.secret },
  ].filter((one): one is Receiver => one !== undefined);
}
