import type { WireLease } from '../../../contract/wire-secret.ts';

/** The `Authorization` of a token (RFC 6750 §2.1, RFC 9449 §7.1). */
export function shownAs({ value, isBound }: WireLease): string {
  return `${isBound ? 'DPoP' : 'Bearer'} ${value}`;
}
