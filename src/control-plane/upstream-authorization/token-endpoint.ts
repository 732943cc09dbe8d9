import {
  type AuthorizationServer,
  type DPoPHandle,
  isDPoPNonceError,
  type processGenericTokenEndpointResponse,
  ResponseBodyError,
} from 'oauth4webapi';
import { by, type Fetch, NotAuthorized } from './fetching.ts';

export interface Token {
  /** RFC 6750 §2.1: what can be a header's value. */
  readonly value: string;
  readonly scheme: 'Bearer' | 'DPoP';
  /** Seconds from its receipt; undefined: the issuer does not say. */
  readonly expiresIn: number | undefined;
}

type Response_ = Awaited<ReturnType<typeof processGenericTokenEndpointResponse>>;

const MAX_TOKEN = 8192;

/**
 * One grant at a token endpoint, once more where the issuer wants its nonce in the proof (RFC 9449 §8), and the token
 * that it gives.
 * @param dpop the key that the token is to be bound to; undefined: none
 * @throws NotAuthorized with what the issuer says of it
 */
export async function tokenFrom(
  issuer: AuthorizationServer,
  fetch: Fetch,
  dpop: DPoPHandle | undefined,
  grant: (options: ReturnType<typeof by> & { readonly DPoP?: DPoPHandle }) => Promise<Response_>,
): Promise<Token & { readonly response: Response_ }> {
  const options = { ...by(fetch), ...(dpop && { DPoP: dpop }) };
  const response = await grant(options)
    .catch((error: unknown) => {
      if (dpop === undefined || !isDPoPNonceError(error)) throw error;
      return grant(options);
    })
    .catch((error: unknown) => {
      throw notGiven(issuer, error);
    });
  const { access_token: value, token_type: type, expires_in: expiresIn } = response;
  if (value.length > MAX_TOKEN || !/^[A-Za-z0-9._~+/-]+=*$/.test(value))
    throw new NotAuthorized(`${issuer.issuer} gave a token that is none (RFC 6750 §2.1)`);
  const wanted = dpop === undefined ? 'bearer' : 'dpop';
  // A token that any thief can use, in the place of one that is bound to our key, is a downgrade.
  if (type !== wanted) throw new NotAuthorized(`${issuer.issuer} gave a token of type ${type}, not ${wanted}`);
  return { value, scheme: dpop === undefined ? 'Bearer' : 'DPoP', expiresIn, response };
}

/** What is wrong, without anything that was sent. */
function notGiven(issuer: AuthorizationServer, error: unknown): NotAuthorized {
  if (error instanceof NotAuthorized) return error;
  const said = error instanceof ResponseBodyError ? `${error.error} ${error.error_description ?? ''}` : '';
  const why = said === '' ? (error instanceof Error ? error.message : String(error)) : said.trim();
  const code = error instanceof ResponseBodyError ? error.error : undefined;
  return new NotAuthorized(`${issuer.issuer} gave no token: ${why}`, code);
}
