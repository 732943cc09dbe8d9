import { Refusal } from '../../contract/refusal.ts';

/** Characters of one token; Node's own limit for all headers together is 16 kB. */
const MAX_TOKEN = 8192;

/** RFC 6750 §2.1, RFC 9449 §7.1: scheme 1*SP token68. A second header, joined by a comma, does not fit this. */
const CREDENTIALS = /^(bearer|dpop) +([A-Za-z0-9\-._~+/]+=*)$/i;

/** How a token was presented, and what its presenter has to show beside it. */
export interface Credentials {
  readonly scheme: 'bearer' | 'dpop';
  readonly token: string;
}

/** The one token of a request's `authorization` field. @throws Refusal unauthenticated */
export function credentials(authorization: string | undefined): Credentials {
  if (authorization === undefined) throw new Refusal('unauthenticated', 'no Authorization header');
  if (authorization.length > MAX_TOKEN) throw new Refusal('unauthenticated', `Authorization longer than ${MAX_TOKEN}`);
  const [, scheme, token] = CREDENTIALS.exec(authorization) ?? [];
  if (scheme === undefined || token === undefined)
    throw new Refusal('unauthenticated', 'Authorization is not exactly one bearer or DPoP token (RFC 6750 §2.1)');
  return { scheme: scheme.toLowerCase() === 'dpop' ? 'dpop' : 'bearer', token };
}
