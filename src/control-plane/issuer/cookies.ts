/**
 * `__Host-` cookies (RFC 6265bis §4.1.3.2) for a provider that scopes its own by path: the prefix wants `Path=/`, so the
 * last segment of the path, which is the id of one sign-in, becomes part of the name. Several sign-ins can then go on in
 * one browser, and each page gets its own cookie alone.
 */
export const PREFIX = '__Host-innerkeep-';
const ONE_SIGN_IN = /\/([\w-]{20,64})$/;

export const COOKIE_NAMES = {
  session: `${PREFIX}session`,
  interaction: `${PREFIX}interaction`,
  resume: `${PREFIX}resume`,
} as const;

/** A Cookie header as the provider knows it. */
export function cookiesIn(header: string | undefined, path: string): string | undefined {
  const own = ONE_SIGN_IN.exec(path)?.[1];
  const kept = [...parse(header)].flatMap(([name, value]) => {
    if (!name.startsWith(PREFIX)) return [];
    const isScoped = own !== undefined && name.endsWith(`.${own}`);
    return [`${isScoped ? name.slice(0, -own.length - 1) : name}=${value}`];
  });
  return kept.length === 0 ? undefined : kept.join('; ');
}

/** A Set-Cookie header as browsers get it. */
export function cookieOut(header: string): string {
  const [pair = '', ...attributes] = header.split(';').map((part) => part.trim());
  const path = attributes.find((attribute) => /^path=/i.test(attribute))?.slice('path='.length) ?? '/';
  const own = ONE_SIGN_IN.exec(path)?.[1];
  const named = own === undefined ? pair : pair.replace('=', `.${own}=`);
  const rest = attributes.filter((attribute) => !/^(path=|domain=|secure$)/i.test(attribute));
  return [named, 'Path=/', 'Secure', ...rest].join('; ');
}

/** The first value of each name. */
export function parse(header: string | undefined): ReadonlyMap<string, string> {
  const cookies = new Map<string, string>();
  for (const part of (header ?? '').split(/[;,]/)) {
    const cut = part.indexOf('=');
    const name = part.slice(0, cut).trim();
    if (cut > 0 && !cookies.has(name)) cookies.set(name, part.slice(cut + 1).trim());
  }
  return cookies;
}
