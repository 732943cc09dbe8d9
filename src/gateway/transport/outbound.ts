import { type LookupAddress, lookup } from 'node:dns';
import { type IncomingHttpHeaders, type RequestOptions, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { LookupFunction } from 'node:net';
import { getCACertificates } from 'node:tls';
import { type AddressClass, classOf } from '../../contract/addresses.ts';

/** Bytes of one answer. */
const MAX_BODY = 256 * 1024;
/** Milliseconds from the request to the last byte of the answer. */
const DEADLINE = 5000;

/** The request was not made, or its answer not taken; the message is for the log. */
export class OutboundError extends Error {}

export interface OutboundAnswer {
  readonly status: number;
  /** As Node gives them. */
  readonly headers: IncomingHttpHeaders;
  readonly body: Uint8Array;
}

export interface OutboundOptions {
  /** The host name or address that the operator wrote himself: only it may be private, and only as a literal. */
  readonly trustedHost: string;
  /** PEM of an authority that is trusted beside the system's. */
  readonly ca: string | undefined;
  /** Headers of a GET. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What is sent; absent: a GET. */
  readonly post?: { readonly headers: Readonly<Record<string, string>>; readonly body: string };
}

/**
 * The one way out of the gateway for what a configuration or an issuer names: a GET or POST, https (TLS ≥ 1.2; http on
 * loopback only), no redirect followed, no proxy, the address judged and then connected to (no second look-up),
 * at most 256 kB in 5 seconds.
 * @throws OutboundError
 */
export function openOutbound(
  deadline = DEADLINE,
  resolve: typeof lookup = lookup,
): (url: string, options: OutboundOptions) => Promise<OutboundAnswer> {
  return async (url, options) => {
    const target = parse(url);
    const host = hostOf(target);
    const allowed = judge(host, target, options);
    const { headers, post, ca } = options;
    const settings: RequestOptions = {
      method: post === undefined ? 'GET' : 'POST',
      agent: false,
      signal: AbortSignal.timeout(deadline),
      headers: { ...headers, ...post?.headers, accept: 'application/json', 'accept-encoding': 'identity' },
      lookup: judgedLookup(allowed, resolve),
      ...(ca === undefined ? {} : { ca: [...getCACertificates('default'), ca] }),
    };
    return exchange(target, deadline, settings, post?.body);
  };
}

function parse(url: string): URL {
  const target = URL.canParse(url) ? new URL(url) : undefined;
  if (!target || (target.protocol !== 'https:' && target.protocol !== 'http:'))
    throw new OutboundError('not an https URL');
  if (target.username !== '' || target.password !== '') throw new OutboundError('URL with credentials');
  return target;
}

/** Without the brackets of an IPv6 literal. */
function hostOf(target: URL): string {
  return target.hostname.replace(/^\[|\]$/g, '');
}

/** Which addresses may be connected to, for this host. */
function judge(host: string, target: URL, { trustedHost }: OutboundOptions): (address: string) => boolean {
  const trusted = host === trustedHost.replace(/^\[|\]$/g, '');
  const kind = classOf(host);
  const isLoopback = host === 'localhost' || kind === 'loopback';
  if (target.protocol === 'http:' && !(trusted && isLoopback))
    throw new OutboundError('http on another host than loopback');
  const needed: AddressClass = trusted && isLoopback ? 'loopback' : 'public';
  // A literal is never looked up, so it is judged here; the operator's own may be of an inner network.
  if (kind !== undefined && kind !== needed && !(trusted && kind === 'private'))
    throw new OutboundError(`address ${host} is not public`);
  return (address) => classOf(address) === needed;
}

/** Every address that a name has must be allowed: a name with one private address is someone's attempt. */
function judgedLookup(allowed: (address: string) => boolean, resolve: typeof lookup): LookupFunction {
  return (host, options, callback) => {
    resolve(host, { all: true, order: 'ipv4first' }, (error, addresses: LookupAddress[]) => {
      if (error) return callback(error, []);
      const bad = addresses.find(({ address }) => !allowed(address));
      const first = addresses[0];
      if (bad || !first) return callback(new OutboundError(`${host} has the address ${bad?.address}, not allowed`), []);
      if (options.all) return callback(null, addresses);
      return callback(null, first.address, first.family);
    });
  };
}

function exchange(target: URL, deadline: number, options: RequestOptions, body?: string): Promise<OutboundAnswer> {
  return new Promise((settle, reject) => {
    const fail = (error: Error) => {
      const late = error.name === 'AbortError' || error.name === 'TimeoutError';
      reject(
        error instanceof OutboundError
          ? error
          : new OutboundError(late ? `no answer in ${deadline} ms` : error.message),
      );
    };
    const sent =
      target.protocol === 'https:'
        ? requestHttps(target, { ...options, minVersion: 'TLSv1.2', rejectUnauthorized: true })
        : requestHttp(target, options);
    sent.on('error', fail);
    sent.once('response', (answer) => {
      const parts: Uint8Array[] = [];
      let size = 0;
      answer.on('error', fail);
      answer.on('data', (part: Uint8Array) => {
        size += part.length;
        if (size > MAX_BODY) sent.destroy(new OutboundError(`answer larger than ${MAX_BODY} bytes`));
        else parts.push(part);
      });
      answer.once('end', () => {
        if (answer.headers['content-encoding'] !== undefined) return fail(new OutboundError('encoded answer'));
        settle({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(parts) });
      });
    });
    sent.end(body);
  });
}
