import { isPlainName } from '../../contract/identity.ts';

/** How the operator calls a secret, in the configuration and at the command line. */
export const SECRET_REF = /^[a-z][a-z0-9._-]{0,63}$/;
/** Bytes. A shorter value could not be told from other text where an answer echoes it; a longer one fits in no header. */
const LEAST = 8;
const MOST = 4096;

/** A subject of the embedded issuer, or `ISSUER#SUB`: no issuer has a `#` (RFC 8414 §2), and what follows it is a name. */
export function isSubject(text: string): boolean {
  const at = text.indexOf('#');
  return at < 0 ? isPlainName(text) : isPlainName(text.slice(0, at)) && isPlainName(text.slice(at + 1));
}

/** Why a value cannot stand in a header field (RFC 9110 §5.5); undefined: it can. Never says anything of the value. */
export function valueFault(value: string): string | undefined {
  if (value.length < LEAST) return `shorter than ${LEAST} characters: an echo of it could not be told from other text`;
  if (value.length > MOST) return `longer than ${MOST} characters`;
  if (!/^[\x21-\x7e]+( [\x21-\x7e]+)*$/.test(value))
    return 'not one line of visible ASCII characters, with single spaces between them at most';
  return undefined;
}
