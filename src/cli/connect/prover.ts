import { hash, randomUUID, type webcrypto } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';

const ALG = 'ES256';

/** A key of the bridge's own, held in memory alone: its tokens are worth nothing to whoever reads them (RFC 9449). */
export class Prover {
  /** RFC 7638, SHA-256: what its tokens are bound to. */
  readonly thumbprint: string;
  readonly #privateKey: webcrypto.CryptoKey;
  readonly #jwk: JWK;
  #nonce: string | undefined;

  static async make(): Promise<Prover> {
    const { publicKey, privateKey } = await generateKeyPair(ALG);
    const jwk = await exportJWK(publicKey);
    return new Prover(privateKey, jwk, await calculateJwkThumbprint(jwk));
  }

  private constructor(privateKey: webcrypto.CryptoKey, jwk: JWK, thumbprint: string) {
    this.#privateKey = privateKey;
    this.#jwk = jwk;
    this.thumbprint = thumbprint;
  }

  /** The two headers of one request (RFC 9449 §7.1). */
  async headers(token: string, method: string, url: string): Promise<Readonly<Record<string, string>>> {
    const nonce = this.#nonce === undefined ? {} : { nonce: this.#nonce };
    const about = { jti: randomUUID(), htm: method, htu: url, ath: hash('sha256', token, 'base64url'), ...nonce };
    const header = { typ: 'dpop+jwt', alg: ALG, jwk: this.#jwk };
    const dpop = await new SignJWT(about).setProtectedHeader(header).setIssuedAt().sign(this.#privateKey);
    return { authorization: `DPoP ${token}`, dpop };
  }

  /** Whether an answer asks for the request once more, with the nonce that it brings (§9). */
  isChallenged(status: number, nonce: string | string[] | undefined): boolean {
    if (typeof nonce !== 'string') return false;
    this.#nonce = nonce;
    return status === 401;
  }
}
