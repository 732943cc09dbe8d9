import { distance } from 'fastest-levenshtein';
import { LOOKALIKES } from '../../contract/untrusted-text/lookalikes.ts';
import { GENERIC, KNOWN_PACKAGES } from './known-packages.ts';

interface Lookalike {
  /** What was probably meant. */
  readonly meant: string;
  readonly why: string;
}

const known = KNOWN_PACKAGES.map((name) => ({ name, ...parts(name) }));
const names = new Set(KNOWN_PACKAGES);
const scopes = new Set(known.map(({ scope }) => scope).filter((scope) => scope !== ''));

/**
 * Is this name near a known package's without being it? (OWASP MCP Top 10, supply chain; mission A4.)
 * A name inside a known scope is its owner's to give.
 */
export function lookalike(name: string): Lookalike | undefined {
  if (names.has(name)) return undefined;
  const own = parts(name);
  if (own.scope !== '' && scopes.has(own.scope)) return undefined;
  const flat = skeleton(name);
  for (const other of known) {
    if (own.scope !== '' && other.scope !== '' && near(skeleton(own.scope), skeleton(other.scope)))
      return { meant: `${other.scope}/${own.base}`, why: `the scope ${own.scope} looks like ${other.scope}` };
    if (flat === skeleton(other.name))
      return { meant: other.name, why: 'the same name but for hyphens, scope marks or look-alike letters' };
    if (own.scope === '' && other.scope === '' && near(flat, skeleton(other.name)))
      return { meant: other.name, why: 'a letter or two from a known name' };
    if (other.scope !== '' && distinctive(other.base) && sameBase(own, other))
      return { meant: other.name, why: 'the name of a known package under another scope' };
    if (
      own.scope !== '' &&
      other.scope === '' &&
      distinctive(other.base) &&
      skeleton(own.base) === skeleton(other.base)
    )
      return { meant: other.name, why: 'the name of a known package under a scope of its own' };
  }
  return undefined;
}

interface Parts {
  readonly scope: string;
  readonly base: string;
}

function parts(name: string): Parts {
  const slash = name.indexOf('/');
  return slash < 0 ? { scope: '', base: name } : { scope: name.slice(0, slash), base: name.slice(slash + 1) };
}

/** Without a scope of its own a slip of the finger counts too; another publisher's scope is at least no slip. */
function sameBase(own: Parts, other: Parts): boolean {
  const [a, b] = [skeleton(own.base), skeleton(other.base)];
  return own.scope === '' ? near(a, b) : a === b;
}

/** Many scopes have an `mcp-server`; that says nothing. */
function distinctive(base: string): boolean {
  return base.length >= 8 && !GENERIC.has(base);
}

/** Up to two letters for names that are long enough to be told apart, one for short ones, none for the shortest. */
function near(a: string, b: string): boolean {
  const shorter = Math.min(a.length, b.length);
  return distance(a, b) <= (shorter >= 6 ? 2 : shorter >= 4 ? 1 : 0);
}

/** What the eye takes a name for: case, accents, separators and letters that look alike are gone. */
export function skeleton(name: string): string {
  const plain = name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[\p{M}\p{Cf}]/gu, '');
  return [...plain]
    .map((letter) => ALIKE[letter] ?? letter)
    .join('')
    .replace(/[^a-z0-9]/g, '')
    .replace(/rn/g, 'm')
    .replace(/vv/g, 'w')
    .replace(/[1i]/g, 'l')
    .replace(/0/g, 'o')
    .replace(/5/g, 's');
}

/** In a name, more than in a text: letters that some languages have, and look like others to whoever does not write them. */
const ALIKE: Readonly<Record<string, string>> = { ...LOOKALIKES, г: 'r', ⅼ: 'l', ł: 'l', ø: 'o', đ: 'd' };
