/**
 * An absolute https URI without user (RFC 3986 §3, RFC 9110 §4.2.2): host, port, path. What its grammar does not have
 * (backslashes, spaces, controls, other than ASCII) is no URI, where a lenient parser would make one of it.
 */
const HTTPS =
  /^https:\/\/([\w.~!$&'()*+,;=-]+|\[[0-9a-f:.]+\])(?::(\d{0,5}))?((?:\/(?:[\w.~!$&'()*+,;=:@-]|%[0-9a-f]{2})*)*)(?:\?[^#]*)?(?:#.*)?$/i;

/** UTF-16 units of an `htu`. */
const MAX_URI = 2048;

/**
 * An https URI without query and fragment, normalised by syntax and scheme (RFC 3986 §6.2.2, §6.2.3; RFC 9449 §4.3 wants
 * both before a comparison). Undefined: not an https URI.
 */
export function normalisedTarget(uri: string): string | undefined {
  if (uri.length > MAX_URI) return undefined;
  const [, host, port = '', path] = HTTPS.exec(uri) ?? [];
  if (host === undefined || path === undefined) return undefined;
  const number = Number(port);
  if (number > 65_535) return undefined;
  const authority = number === 0 || number === 443 ? host.toLowerCase() : `${host.toLowerCase()}:${number}`;
  return `https://${authority}${withoutDots(percentNormalised(path))}`;
}

/** §6.2.2.1 and §6.2.2.2: upper-case digits, and unreserved characters as they are. */
function percentNormalised(path: string): string {
  return path.replace(/%([0-9a-f]{2})/gi, (escaped, digits: string) => {
    const character = String.fromCharCode(Number.parseInt(digits, 16));
    return /[\w.~-]/.test(character) ? character : escaped.toUpperCase();
  });
}

/** §5.2.4; an empty path is `/` (§6.2.3). */
function withoutDots(path: string): string {
  const kept: string[] = [];
  const segments = path.split('/').slice(1);
  for (const [at, segment] of segments.entries()) {
    if (segment === '..') kept.pop();
    if (segment !== '.' && segment !== '..') kept.push(segment);
    // What ends in a dot segment names a directory.
    else if (at === segments.length - 1) kept.push('');
  }
  return `/${kept.join('/')}`;
}
