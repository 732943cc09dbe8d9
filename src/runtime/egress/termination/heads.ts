import type { IncomingMessage } from 'node:http';
import type { Echoes } from './echo-mask.ts';

/** Of one connection (RFC 9110 §7.6.1), or of the way to a proxy. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  'connection',
  'expect',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
/** Framing and address are written by the proxy itself, out of what it has parsed. */
const OWN: ReadonlySet<string> = new Set(['host', 'content-length']);
/** Frameworks take another method or path from these than the one that was judged. */
const OVERRIDES: ReadonlySet<string> = new Set([
  'x-http-method',
  'x-http-method-override',
  'x-method-override',
  'x-original-method',
  'x-original-url',
  'x-rewrite-url',
]);
/** A piece of an echo is no echo that could be known. */
const PARTIAL: ReadonlySet<string> = new Set(['range', 'if-range']);

export interface Target {
  /** Lower-case DNS name, as it was judged. */
  readonly name: string;
  readonly port: number;
}

/**
 * What of a request, parsed strictly before, cannot be let on: a sentence; undefined: nothing.
 * The authority must be the name that was judged: else a permitted name would be a front for any other (RFC 9112 §3.2).
 */
export function requestFault(request: IncomingMessage, { name, port }: Target): string | undefined {
  const { method = '', url = '', httpVersion, headers } = request;
  if (httpVersion !== '1.1') return `HTTP/${httpVersion}`;
  if (method === 'CONNECT' || method === 'TRACE') return `the method ${method}`;
  if (!url.startsWith('/') || url.includes('#')) return 'a request target that is not a path';
  const hosts = valuesOf(request.rawHeaders, 'host');
  const own = hosts[0]?.toLowerCase();
  if (hosts.length !== 1 || !(own === `${name}:${port}` || (own === name && port === 443)))
    return 'a Host that is not the name of the connection';
  if (headers.upgrade !== undefined) return 'an upgrade to another protocol';
  const coding = headers['transfer-encoding'];
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') return 'a transfer coding other than chunked';
  return undefined;
}

/** The headers with which a request goes on: names and values, alternating. */
export function onwardHeaders(
  request: IncomingMessage,
  target: Target,
  verdict: {
    readonly reserved: ReadonlySet<string>;
    readonly added: readonly string[];
    readonly echoes: Echoes | undefined;
  },
): string[] {
  const { headers, rawHeaders } = request;
  const dropped = [HOP_BY_HOP, OWN, nominated(rawHeaders), verdict.reserved];
  if (verdict.added.length > 0) dropped.push(OVERRIDES, PARTIAL);
  const kept = without(rawHeaders, (name) => {
    // Servers that make variables of headers cannot tell the two apart (RFC 3875 §4.1.18).
    const alike = name.replaceAll('_', '-');
    return dropped.some((names) => names.has(alike)) || (verdict.echoes !== undefined && alike === 'accept-encoding');
  });
  const host = target.port === 443 ? target.name : `${target.name}:${target.port}`;
  const length = headers['content-length'];
  return [
    ...['Host', host],
    ...kept,
    ...(verdict.echoes === undefined ? [] : ['Accept-Encoding', 'identity']),
    ...verdict.added,
    ...(headers['transfer-encoding'] === undefined ? [] : ['Transfer-Encoding', 'chunked']),
    ...(length === undefined ? [] : ['Content-Length', length]),
  ];
}

/** What of an answer cannot be let back: a sentence; undefined: nothing. */
export function answerFault(answer: IncomingMessage, echoes: Echoes | undefined): string | undefined {
  const { headers, statusCode = 0, statusMessage = '' } = answer;
  // The parser takes these, and whoever writes them throws (RFC 9112 §4).
  if (statusCode < 200) return 'a status that ends no request';
  if (/[^\t\x20-\x7e\x80-\xff]/.test(statusMessage)) return 'control characters in the reason phrase';
  const transfer = headers['transfer-encoding'];
  if (transfer !== undefined && transfer.toLowerCase() !== 'chunked') return 'a transfer coding other than chunked';
  const content = headers['content-encoding'];
  if (echoes !== undefined && content !== undefined && content.toLowerCase() !== 'identity')
    return 'an encoded answer, in which no echo of a credential could be seen';
  return undefined;
}

/** The headers with which an answer goes back. */
export function answerHeaders({ rawHeaders }: IncomingMessage, echoes: Echoes | undefined): string[] {
  const dropped = [HOP_BY_HOP, nominated(rawHeaders)];
  const kept = without(rawHeaders, (name) => dropped.some((names) => names.has(name)) || name === 'alt-svc');
  return echoes === undefined ? kept : kept.map((text) => echoes.mask(text));
}

/** Headers that `Connection` declares to be of this hop. */
function nominated(raw: readonly string[]): ReadonlySet<string> {
  const names = valuesOf(raw, 'connection').flatMap((value) => value.split(','));
  // The framing is not for the other side to take away.
  return new Set(names.map((name) => name.trim().toLowerCase()).filter((name) => name !== 'content-length'));
}

function valuesOf(raw: readonly string[], name: string): string[] {
  return raw.filter((_, index) => index % 2 === 1 && raw[index - 1]?.toLowerCase() === name);
}

function without(raw: readonly string[], drops: (name: string) => boolean): string[] {
  const kept: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const [name = '', value = ''] = [raw[at], raw[at + 1]];
    if (!drops(name.toLowerCase())) kept.push(name, value);
  }
  return kept;
}
