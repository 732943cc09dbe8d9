import { foreign, Html } from './html.ts';

const TOKEN = /"(?:[^"\\]|\\.)*"|[[\]{}]|[^\s"[\]{},:]+|[,:]/g;

/**
 * Canonical JSON, laid out for reading: every character of it is there, in its order, and nothing that it says can hide,
 * move or end what is around it.
 */
export function shownArguments(canonical: string): Html {
  let out = '';
  let depth = 0;
  let opened = false;
  const line = () => `\n${'  '.repeat(depth)}`;
  for (const [token] of canonical.matchAll(TOKEN)) {
    const closes = token === '}' || token === ']';
    if (closes) depth--;
    if (closes ? !opened : opened) out += line();
    opened = token === '{' || token === '[';
    if (opened) depth++;
    if (token === ',') out += `,${line()}`;
    else if (token === ':') out += ': ';
    else out += foreign(token).text;
  }
  return new Html(`<pre tabindex="0">${out}</pre>`);
}
