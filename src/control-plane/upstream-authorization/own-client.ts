import { type CryptoKey, importJWK, importPKCS8, type JWK } from 'jose';
import { type AuthorizationServer, type ClientAuth, None, PrivateKeyJwt } from 'oauth4webapi';
import { NotAuthorized } from './fetching.ts';

/** What an issuer knows us by. Never shown to another issuer than the one that it is of. */
export interface OwnClient {
  readonly id: string;
  readonly secret?: string;
  /** Private key, as JWK or PKCS #8 PEM. */
  readonly key?: string;
  /** How it says who it is; absent: as the issuer's metadata allows. */
  readonly method?: string;
}

/** RFC 8414 §2: what counts where the metadata says nothing. */
const DEFAULT_METHODS = ['client_secret_basic'];
const KEY_ALGORITHM = 'ES256';

/** How a client says who it is at the token endpoint, the strongest way first that the issuer takes. @throws NotAuthorized */
export async function authenticationOf(client: OwnClient, issuer: AuthorizationServer): Promise<ClientAuth> {
  const { id, secret, key, method } = client;
  const taken = method === undefined ? (issuer.token_endpoint_auth_methods_supported ?? DEFAULT_METHODS) : [method];
  if (key !== undefined && taken.includes('private_key_jwt')) return PrivateKeyJwt(await privateKey(key));
  if (key === undefined && secret !== undefined && taken.includes('client_secret_basic')) return basic(secret);
  if (key === undefined && secret !== undefined && taken.includes('client_secret_post')) return post(secret);
  if (secret === undefined && key === undefined) return None();
  throw new NotAuthorized(`${issuer.issuer} takes ${taken.join(', ')}: nothing that the client ${id} has`);
}

/** RFC 6749 §2.3.1: both are form-encoded first, as URLSearchParams does it. The library's own encoding is a wider one. */
function basic(secret: string): ClientAuth {
  return (_, { client_id: id }, __, headers) => {
    const credentials = `${formEncoded(id)}:${formEncoded(secret)}`;
    headers.set('authorization', `Basic ${Buffer.from(credentials).toString('base64')}`);
  };
}

function post(secret: string): ClientAuth {
  return (_, { client_id: id }, body) => {
    body.set('client_id', id);
    body.set('client_secret', secret);
  };
}

function formEncoded(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1);
}

async function privateKey(text: string): Promise<CryptoKey> {
  try {
    if (!text.trimStart().startsWith('{')) return await importPKCS8(text, KEY_ALGORITHM);
    const jwk = JSON.parse(text) as JWK;
    const key = await importJWK(jwk, jwk.alg ?? KEY_ALGORITHM);
    if (key instanceof Uint8Array || key.type !== 'private') throw new Error('not a private key');
    return key;
  } catch {
    // The library's own words may have some of the key in them.
    throw new NotAuthorized('the private key of the client is neither a JWK nor a PKCS #8 PEM text');
  }
}
