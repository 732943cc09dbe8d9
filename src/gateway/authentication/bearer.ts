import { Refusal } from '../../contract/refusal.ts';

/** Characters of one token; Node's own limit for all headers together is 16 kB. */
const MAX_TOKEN = 8192;

/** RFC 6750 §2.1: `Bearer` 1*SP token68. A second header, joined by a comma, does not fit this. */
const CREDENTIALS = /^bearer +([A-Za-z0-9\-._~+/]+=*)$/i;

/** The one bearer token of a request's `authorization` field. @throws Refusal unauthenticated */
export function bearerToken(authorization: string | undefined): string {
  if (authorization === undefined) throw new Refusal('unauthenticated', 'no Authorization header');
  if (authorization.length > MAX_TOKEN) throw new Refusal('unauthenticated', `Authorization longer than ${MAX_TOKEN}`);
  const token = CREDENTIALS.exec(authorization)?.[1];
  if (token === undefined)
    throw new Refusal('unauthenticated', 'Authorization is not exactly one bearer token (RFC 6750 §2.1)');
  return token;
}
