/** What a string or number of a JSON text is the value of. */
export interface Place {
  /** The nearest name: the member's key, an array's for its elements, or what a sibling `name` or `key` says of a `value`. */
  readonly name: string;
  /** The member's own key; undefined for elements. */
  readonly key: string | undefined;
}

export interface Replace {
  /** What to write instead of a key; undefined: as it is. */
  key(text: string): string | undefined;
  string(text: string, place: Place): string | undefined;
  /** Gets the number as it is spelled; what it returns is written as a string. */
  number(text: string): string | undefined;
}

interface Container {
  readonly isObject: boolean;
  /** The name of the member that the container is. */
  readonly name: string;
  key: string;
  /** What `name` or `key` was in this object so far. */
  called: string;
}

const NUMBER = /-?\d[\d.eE+-]*/y;
const CALLED = /^(?:name|key|variable|header|field|setting)$/i;

/**
 * Shows every key, string and number of a JSON text, decoded, and writes the text anew with what is to be replaced;
 * every other byte stays as it is. The text has been parsed before: nothing of its grammar is checked here.
 */
export function replaceStrings(json: string, replace: Replace): string {
  const open: Container[] = [];
  let inside: Container | undefined;
  let output = '';
  let copied = 0;
  const put = (from: number, to: number, text: string | undefined): void => {
    if (text === undefined) return;
    output += json.slice(copied, from) + JSON.stringify(text);
    copied = to;
  };
  for (let at = 0; at < json.length; ) {
    const char = json.charAt(at);
    if (char === '"') {
      const end = stringEnd(json, at);
      const text = decode(json.slice(at, end));
      const isKey = inside?.isObject === true && isFollowedByColon(json, end);
      if (isKey && inside !== undefined) {
        inside.key = text;
        put(at, end, replace.key(text));
      } else {
        put(at, end, replace.string(text, placeIn(inside)));
        if (inside?.isObject === true && CALLED.test(inside.key)) inside.called = text;
      }
      at = end;
    } else if (char === '{' || char === '[') {
      inside = { isObject: char === '{', name: placeIn(inside).name, key: '', called: '' };
      open.push(inside);
      at++;
    } else if (char === '}' || char === ']') {
      open.pop();
      inside = open.at(-1);
      at++;
    } else if (char === '-' || (char >= '0' && char <= '9')) {
      NUMBER.lastIndex = at;
      const end = at + (NUMBER.exec(json)?.[0].length ?? 1);
      put(at, end, replace.number(json.slice(at, end)));
      at = end;
    } else at++;
  }
  return copied === 0 ? json : output + json.slice(copied);
}

function placeIn(inside: Container | undefined): Place {
  if (inside === undefined) return { name: '', key: undefined };
  if (!inside.isObject) return { name: inside.name, key: undefined };
  const described = inside.called !== '' && /^(?:value|val|content|data)$/i.test(inside.key);
  return { name: described ? inside.called : inside.key, key: inside.key };
}

function decode(token: string): string {
  if (!token.includes('\\')) return token.slice(1, -1);
  const text: string = JSON.parse(token);
  return text;
}

function stringEnd(json: string, at: number): number {
  for (let end = json.indexOf('"', at + 1); end !== -1; end = json.indexOf('"', end + 1)) {
    let slashes = 0;
    while (json.charAt(end - 1 - slashes) === '\\') slashes++;
    if (slashes % 2 === 0) return end + 1;
  }
  throw new Error('a JSON text ends inside of a string');
}

function isFollowedByColon(json: string, from: number): boolean {
  let at = from;
  while (json.charCodeAt(at) <= 0x20) at++;
  return json.charAt(at) === ':';
}
