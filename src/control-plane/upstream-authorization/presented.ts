import { decodeJwt, type JWTPayload } from 'jose';

/** What a token says, believed by nobody for that: it was verified where it came in, or is another issuer's affair. */
export function claimsOf(token: string): JWTPayload | undefined {
  try {
    return decodeJwt(token);
  } catch {
    return undefined;
  }
}
