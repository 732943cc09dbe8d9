import { skipSpace, stringEnd, valueEnd } from '../../contract/strict-json.ts';
import { bytesOf, cutAt } from './text.ts';

/** Bytes of a scalar that is never cut: a number, an id, a state. */
const SMALL = 64;

/**
 * A JSON value in at most `room` bytes that is still one, and still of its shape: long strings and arrays end early, and
 * the members of objects stay as long as there is room at all, so that what a schema requires is there if it can be.
 * Linear: each byte is looked at once.
 * @param json has passed `parseStrict`
 * @param from where the value begins
 * @param room at least 512
 */
export function shorten(json: string, from: number, room: number): string {
  return new Shortener(json, room).value(from).text;
}

interface Short {
  readonly text: string;
  /** Where the value ends in the original. */
  readonly end: number;
}

class Shortener {
  readonly #json: string;
  /** From here on strings and arrays end; the rest is for the members of objects. */
  readonly #soft: number;
  readonly #hard: number;
  #used = 0;

  constructor(json: string, room: number) {
    this.#json = json;
    this.#hard = room;
    this.#soft = room - Math.max(4 * SMALL, Math.floor(room / 10));
  }

  value(at: number): Short {
    const char = this.#json[at];
    if (char === '{') return this.#object(at);
    if (char === '[') return this.#array(at);
    return char === '"' ? this.#string(at) : this.#plain(at);
  }

  #plain(at: number): Short {
    const end = valueEnd(this.#json, at);
    // No number that anybody computes with has so many digits.
    const text = end - at > SMALL && this.#used + end - at > this.#soft ? '0' : this.#json.slice(at, end);
    this.#used += text.length;
    return { text, end };
  }

  #string(at: number): Short {
    const end = stringEnd(this.#json, at);
    const raw = this.#json.slice(at, end);
    const size = bytesOf(raw);
    if (size <= SMALL || this.#used + size <= this.#soft) {
      this.#used += size;
      return { text: raw, end };
    }
    const whole: string = JSON.parse(raw);
    const text = JSON.stringify(whole.slice(0, cutAt(whole, Math.max(0, this.#soft - this.#used - 2))));
    this.#used += bytesOf(text);
    return { text, end };
  }

  #array(start: number): Short {
    const elements: string[] = [];
    this.#used += 2;
    let at = skipSpace(this.#json, start + 1);
    for (; this.#json[at] !== ']' && this.#used < this.#soft; at = this.#next(at)) {
      const { text, end } = this.value(at);
      elements.push(text);
      this.#used++;
      at = end;
    }
    for (; this.#json[at] !== ']'; at = this.#next(at)) at = valueEnd(this.#json, at);
    return { text: `[${elements.join(',')}]`, end: at + 1 };
  }

  #object(start: number): Short {
    const members: string[] = [];
    this.#used += 2;
    for (let at = skipSpace(this.#json, start + 1); ; at = this.#next(at)) {
      if (this.#json[at] === '}') return { text: `{${members.join(',')}}`, end: at + 1 };
      const keyEnd = stringEnd(this.#json, at);
      const key = this.#json.slice(at, keyEnd);
      const size = bytesOf(key) + 2;
      at = skipSpace(this.#json, skipSpace(this.#json, keyEnd) + 1);
      if (this.#used + size + SMALL > this.#hard) {
        at = valueEnd(this.#json, at);
        continue;
      }
      this.#used += size;
      const { text, end } = this.value(at);
      members.push(`${key}:${text}`);
      at = end;
    }
  }

  /** From the end of an element to the beginning of the next, or the bracket. */
  #next(at: number): number {
    const comma = skipSpace(this.#json, at);
    return this.#json[comma] === ',' ? skipSpace(this.#json, comma + 1) : comma;
  }
}
