/** What canonical means where a policy compares an argument as a path or as a URL. */
export interface Comparison {
  readonly path: boolean;
  readonly url: boolean;
  /** Some literal is an absolute path, so that a relative one would name the same thing differently. */
  readonly absolute: boolean;
}

/** How the literal looks; undefined: neither like a path nor like a URL. */
export function comparisonWith(literal: string): Comparison | undefined {
  if (literal.includes('://')) return { path: false, url: true, absolute: false };
  if (literal.includes('/')) return { path: true, url: false, absolute: literal.startsWith('/') };
  return undefined;
}

/** Why the text is not the one canonical way to write what it names; undefined: it is. */
export function notCanonical(text: string, { path, url, absolute }: Comparison): string | undefined {
  if (!text.isWellFormed() || /[\p{Cc}\p{Zl}\p{Zp}\\]/u.test(text)) return 'control character or backslash';
  if (text.normalize('NFC') !== text) return 'not in Unicode normal form C (UAX 15)';
  if (url && (!path || text.includes('://'))) return notCanonicalUrl(text);
  return notCanonicalPath(text, absolute);
}

/** An escaped separator, dot, NUL, backslash or percent sign: read differently before and after decoding. */
const HIDDEN = /%(?:00|25|2e|2f|5c)/i;

function notCanonicalPath(text: string, absolute: boolean): string | undefined {
  if (HIDDEN.test(text)) return 'escaped separator or dot';
  if (text === '/') return undefined;
  if (absolute && !text.startsWith('/')) return 'relative, where the policy compares absolute paths';
  if (text.startsWith('~')) return 'home directory';
  const segments = (text.startsWith('/') ? text.slice(1) : text).split('/');
  if (segments.includes('')) return 'empty path segment or trailing slash';
  if (segments.includes('.') || segments.includes('..')) return 'dot segment';
  return undefined;
}

/** An escape of an unreserved character, or one in lower case: RFC 3986 §6.2.2 knows one spelling only. */
const NOT_NORMAL_ESCAPE = /%(?![0-9A-F]{2})|%(?:2D|2E|3[0-9]|4[1-9A-F]|5[0-9AF]|6[1-9A-F]|7[0-9AE])/;

function notCanonicalUrl(text: string): string | undefined {
  const url = URL.parse(text);
  if (!url || url.href !== text) return 'not the URL that it is read as (WHATWG URL)';
  if (url.username !== '' || url.password !== '' || /^[^/?#]*:\/\/[^/?#]*@/.test(text))
    return 'user information in the URL';
  if (url.hostname.endsWith('.')) return 'trailing dot in the host';
  if (HIDDEN.test(url.pathname)) return 'escaped separator or dot';
  if (NOT_NORMAL_ESCAPE.test(text)) return 'needless escape (RFC 3986 section 6.2.2)';
  const segments = url.pathname.slice(1).split('/');
  if (segments.slice(0, -1).includes('')) return 'empty path segment';
  if (segments.includes('.') || segments.includes('..')) return 'dot segment';
  return undefined;
}
