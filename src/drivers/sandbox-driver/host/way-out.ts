import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { WayOut } from '../../../contract/sandbox-driver.ts';

/** Where a sandbox finds its way out; all drivers use the same places. */
export const insidePaths = {
  socket: '/run/innerkeep/egress',
  authorities: '/etc/ssl/certs/ca-certificates.crt',
  names: '/etc/nsswitch.conf',
} as const;

/** Without it C libraries ask a name server first, and there is none. */
export const nameSources = 'passwd: files\ngroup: files\nhosts: files\n';

/** Bundles of public authorities, as distributions have them. */
const bundles = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

const relay = readFileSync(join(import.meta.dirname, 'relay.pl'), 'utf8').replace(/^#.*\n/gm, '');

/** The machine's own bundle of authorities; undefined: it has none. */
export function hostAuthorities(): string | undefined {
  return bundles.find((path) => existsSync(path));
}

/** 127.0.0.1 is the proxy's and the sandbox's own; each name has an address of its own behind it. */
function addressOf(index: number): string {
  return `127.0.${(index + 2) >> 8}.${(index + 2) & 0xff}`;
}

/** Lines of /etc/hosts for clients that know of no proxy. */
export function hostLines({ names }: WayOut): string {
  return names.map(({ name }, index) => `${addressOf(index)} ${name}\n`).join('');
}

/** Where a relay listens: address, port, and the first line of each connection to there. */
export function relayPlaces({ names, proxyPort }: WayOut): [address: string, port: string, line: string][] {
  const transparent = names.flatMap(({ name, ports }, index) =>
    ports.map((port): [string, string, string] => [addressOf(index), String(port), `${name}:${port}`]),
  );
  return [['127.0.0.1', String(proxyPort), 'proxy'], ...transparent];
}

/**
 * What stands in front of the server's command: the relay, which listens before the server's first instruction.
 * Low ports have to be free for all in the sandbox's network namespace (net.ipv4.ip_unprivileged_port_start).
 */
export function relayCommand(wayOut: WayOut): string[] {
  return ['/usr/bin/perl', '-e', relay, insidePaths.socket, ...relayPlaces(wayOut).flat(), '--'];
}

/** For clients that know of proxies, and of authorities by environment alone. Both spellings, since clients differ. */
export function environment({ proxyPort, ca }: WayOut): Readonly<Record<string, string>> {
  const proxy = `http://127.0.0.1:${proxyPort}`;
  const settings = { http_proxy: proxy, https_proxy: proxy, all_proxy: proxy, no_proxy: 'localhost,127.0.0.1,::1' };
  const both = Object.entries(settings).flatMap(([key, value]) => [
    [key, value],
    [key.toUpperCase(), value],
  ]);
  const trust = Object.fromEntries(
    ['SSL_CERT_FILE', 'REQUESTS_CA_BUNDLE', 'CURL_CA_BUNDLE'].map((key) => [key, insidePaths.authorities]),
  );
  // Node has authorities of its own; NODE_EXTRA_CA_CERTS would cost each start 80 ms, this nothing until the first TLS.
  const node = { NODE_USE_ENV_PROXY: '1', ...(ca === undefined ? {} : { NODE_OPTIONS: '--use-openssl-ca' }) };
  return { ...Object.fromEntries(both), ...trust, ...node };
}

/** All authorities in one file: the host's and the sandbox's own. */
export function trusted(ca: string): string {
  const host = hostAuthorities();
  return `${host === undefined ? '' : readFileSync(host, 'utf8')}\n${ca}`;
}
