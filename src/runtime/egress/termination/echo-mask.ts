import { type Form, formsOf, type Spelling } from './forms.ts';

const MASK = 0x2a;

/** A place within a form: the bytes that lead on, and to where. Most places are never come to, and so not made. */
class Place {
  readonly bytes: string;
  readonly #further: () => readonly Place[];
  #next: readonly Place[] | undefined;

  constructor(bytes: string, further: () => readonly Place[]) {
    this.bytes = bytes;
    this.#further = further;
  }

  /** Empty: the form is complete. */
  get next(): readonly Place[] {
    this.#next ??= this.#further();
    return this.#next;
  }
}

interface Trace {
  readonly place: Place;
  /** Where in what is held it began. */
  readonly start: number;
}

/** What is not to be let through, made ready for looking: one for all responses of a call. */
export class Echoes {
  /** First byte → the places that it leads to. */
  readonly starts: readonly (readonly Place[])[];
  /** Whether a form begins with these two bytes: of most places in a text no trace has to be followed. */
  readonly #pairs = new Uint8Array(1 << 16);

  /** @param secrets texts of at least a few characters */
  constructor(secrets: readonly string[]) {
    const firsts = secrets.flatMap(formsOf).flatMap(beginnings);
    this.starts = Array.from({ length: 256 }, (_, byte) =>
      firsts.filter(({ bytes }) => bytes.includes(String.fromCharCode(byte))).flatMap(({ next }) => next),
    );
    for (const [byte, seconds] of this.starts.entries())
      for (const { bytes } of seconds) for (const letter of bytes) this.#pairs[(byte << 8) | letter.charCodeAt(0)] = 1;
  }

  /** Could a form begin here? `second` is undefined where it has not come yet. */
  mayBegin(first: number, second: number | undefined): boolean {
    if (second === undefined) return (this.starts[first]?.length ?? 0) > 0;
    return this.#pairs[(first << 8) | second] === 1;
  }

  /** A text that is there as a whole, latin1. */
  mask(text: string): string {
    const mask = new EchoMask(this);
    const bytes = Buffer.concat([mask.push(Buffer.from(text, 'latin1')), mask.end()]);
    return bytes.toString('latin1');
  }
}

/** The places at which a form begins. */
function beginnings(form: Form): readonly Place[] {
  const made: (readonly Place[])[] = [];
  const at = (index: number): readonly Place[] => {
    if (index === form.length) return [];
    made[index] ??= form.spell(index).map((spelling) => first(spelling, () => at(index + 1)));
    return made[index];
  };
  return at(0);
}

function first(spelling: Spelling, after: () => readonly Place[]): Place {
  const [last = '', ...before] = spelling.toReversed();
  return before.reduce((place, bytes) => new Place(bytes, () => [place]), new Place(last, after));
}

/**
 * Overwrites what it finds, byte for byte, so that lengths which were announced stay true. Holds back only what may
 * be the beginning of a find: at most one secret, in its longest form.
 */
export class EchoMask {
  readonly #echoes: Echoes;
  #traces: Trace[] = [];
  #held: Buffer = Buffer.alloc(0);

  constructor(echoes: Echoes) {
    this.#echoes = echoes;
  }

  /** @returns what can go on now; the bytes of `chunk` may be overwritten */
  push(chunk: Buffer): Buffer {
    const from = this.#held.length;
    const bytes = from === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    for (let at = from; at < bytes.length; at++) {
      const byte = bytes[at] as number;
      if (this.#traces.length > 0) this.#follow(bytes, at, byte);
      if (this.#echoes.mayBegin(byte, bytes[at + 1])) this.#open(byte, at);
    }
    const keep = this.#traces.reduce((least, { start }) => Math.min(least, start), bytes.length);
    // A copy: the chunk's buffer would otherwise be kept whole for a few bytes.
    this.#held = Buffer.from(bytes.subarray(keep));
    this.#traces = this.#traces.map(({ place, start }) => ({ place, start: start - keep }));
    return bytes.subarray(0, keep);
  }

  /** What was held back: it was no find. */
  end(): Buffer {
    const held = this.#held;
    this.#held = Buffer.alloc(0);
    this.#traces = [];
    return held;
  }

  #open(byte: number, start: number): void {
    for (const place of this.#echoes.starts[byte] ?? []) this.#traces.push({ place, start });
  }

  #follow(bytes: Buffer, at: number, byte: number): void {
    const letter = String.fromCharCode(byte);
    const further: Trace[] = [];
    for (const { place, start } of this.#traces) {
      if (!place.bytes.includes(letter)) continue;
      if (place.next.length === 0) {
        bytes.fill(MASK, start, at + 1);
        this.#traces = [];
        return;
      }
      for (const next of place.next) further.push({ place: next, start });
    }
    this.#traces = further;
  }
}
