/** One challenge of a `WWW-Authenticate` field. */
export interface Challenge {
  /** Lower-case. */
  readonly scheme: string;
  /** By lower-case name. */
  readonly params: ReadonlyMap<string, string>;
}

/** Characters of a field that are read. */
const MAX_FIELD = 8192;
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
/** One parameter; the parts of it are a name, a token or a quoted string. */
const PARAM = new RegExp(`(${TOKEN})[ \\t]*=[ \\t]*(?:(${TOKEN})|"((?:[^"\\\\]|\\\\[^])*)")[ \\t]*`, 'y');
const SCHEME = new RegExp(`(${TOKEN})(?:[ ]+|(?=[ \\t]*(?:,|$)))`, 'y');
const TOKEN68 = /[A-Za-z0-9._~+/-]+=*[ \t]*(?=,|$)/y;
const BETWEEN = /[ \t]*(?:,[ \t]*)*/y;

/**
 * The challenges of a field (RFC 9110 §11.6.1), as far as they can be read: what follows the first thing that is none
 * is passed over. Of a name that is given twice in one challenge the first value counts.
 */
export function challenges(field: string): readonly Challenge[] {
  const text = field.slice(0, MAX_FIELD);
  const found: Challenge[] = [];
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(text);
    if (match !== null) at = pattern.lastIndex;
    return match;
  };
  take(BETWEEN);
  for (let scheme = take(SCHEME); scheme !== null; scheme = take(SCHEME)) {
    const params = new Map<string, string>();
    if (take(TOKEN68) === null)
      for (let param = take(PARAM); param !== null; param = take(PARAM)) {
        const [, name = '', token, quoted = ''] = param;
        const key = name.toLowerCase();
        if (!params.has(key)) params.set(key, token ?? quoted.replace(/\\(.)/gs, '$1'));
        take(BETWEEN);
      }
    found.push({ scheme: (scheme[1] ?? '').toLowerCase(), params });
    take(BETWEEN);
  }
  return found;
}

/** The challenge that OAuth's rules apply to (RFC 6750 §3, RFC 9449 §7.1), DPoP's first. */
export function oauthChallenge(field: string | undefined): Challenge | undefined {
  const all = challenges(field ?? '');
  return all.find(({ scheme }) => scheme === 'dpop') ?? all.find(({ scheme }) => scheme === 'bearer');
}
