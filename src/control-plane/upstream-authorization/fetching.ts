import { allowInsecureRequests, customFetch } from 'oauth4webapi';

/** The authorization that a server needs is not to be had; the message is for the operator and the log. */
export class NotAuthorized extends Error {
  /** What the issuer calls it (RFC 6749 §5.2); undefined: it was not the issuer who said no. */
  readonly code: string | undefined;

  constructor(message: string, code?: string) {
    super(message);
    this.code = code;
  }
}

/** A request to an issuer, or for a server's metadata; what it may reach is judged where it is made. */
export type Fetch = (
  url: string,
  request: {
    readonly method: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: unknown;
  },
) => Promise<Response>;

/**
 * How the library is to make its requests. That it takes plain http means nothing here: `fetch` refuses it everywhere
 * but on a loopback address that the operator wrote himself.
 */
export function by(fetch: Fetch) {
  return { [customFetch]: fetch, [allowInsecureRequests]: true };
}

/** The JSON object that a metadata URL has; undefined where there is none (a status of 4xx). @throws NotAuthorized */
export async function document(url: string, fetch: Fetch): Promise<Readonly<Record<string, unknown>> | undefined> {
  const answer = await fetch(url, { method: 'GET', headers: {} });
  if (answer.status >= 400 && answer.status < 500) return undefined;
  if (answer.status !== 200) throw new NotAuthorized(`${url}: HTTP status ${answer.status}`);
  const value: unknown = await answer.json().catch(() => undefined);
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new NotAuthorized(`${url}: no JSON object`);
  return value as Readonly<Record<string, unknown>>;
}
