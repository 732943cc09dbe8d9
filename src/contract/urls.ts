import { type HostFault, type HostName, judgeHost } from './host-names.ts';

/** Whatever else a URL can be made of leads to files, to other programs, or to a protocol inside of another. */
const SCHEMES = /^(https?|wss?):\/\/(?=[^/\\])/i;
const fault = (text: string): HostFault => ({ fault: text, alert: true });

/**
 * Judges a URL that a tool is to fetch, by its host and by whether two programs can see two hosts in it; nothing is
 * looked up. The same rules as the egress proxy's, for a server that was given no network of its own.
 */
export function judgeUrl(text: string): HostName | HostFault {
  if (/[\x00-\x1f\x7f]/.test(text)) return fault('control characters');
  const [scheme] = SCHEMES.exec(text) ?? [];
  if (scheme === undefined) return fault('no URL of http, https, ws or wss');
  const rest = text.slice(scheme.length);
  const place = rest.split(/[/?#]/, 1)[0] ?? '';
  if (/[@\\%\s]/.test(place)) return fault('another host, or none, for another parser');
  if (!URL.canParse(text)) return fault('not a URL');
  // Some parsers take what follows the last `@` before the path for the host, wherever the query began for others.
  const [, behind] = /^[^/]*@([^/?#:\\]*)/.exec(rest) ?? [];
  if (behind !== undefined && isAlarming(behind)) return fault('a second host behind an @');
  const [, host] = /^(\[[^\]]*\]|[^:]*)(?::\d*)?$/.exec(place) ?? [];
  if (host === undefined) return fault('not a host and a port');
  const judged = judgeHost(asciiOf(host, text) ?? '\0');
  return 'fault' in judged || judged.scope === 'public' ? judged : fault('a name of inner networks');
}

function isAlarming(host: string): boolean {
  const judged = judgeHost(host);
  return 'fault' in judged && judged.alert;
}

/**
 * A host as clients ask for it: in A-labels (UTS #46). Undefined for another spelling of an
 * address, or of a name that is all ASCII.
 */
function asciiOf(host: string, url: string): string | undefined {
  if (/^[\x21-\x7e]*$/.test(host)) return host;
  // Digits of other scripts are digits to whoever reads an address with them.
  if (/^[\p{N}\p{P}]+$/u.test(host)) return undefined;
  const { hostname } = new URL(url);
  return /(^|\.)xn--/.test(hostname) ? hostname : undefined;
}
