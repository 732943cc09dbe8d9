import { type Entry, entriesOf, type Meaning } from './lexicon/lexicon.ts';

/** What a word, a phrase or a piece of markup means to the rules, and where it stands. */
export type See = (meanings: readonly Meaning[], place: number) => void;

/** Words that an end of sentence, or of paragraph, is worth: what is said in two sentences is said further apart. */
const SENTENCE = 4;
const PARAGRAPH = 12;
/** The longest phrase of the lexicon, in words. */
const PHRASE = 5;
/** The longest entry of a script without spaces, in letters, and what a letter of it counts, in words. */
const RUN = 8;
const LETTER = 0.5;
/** What is longer is no word. */
const LONGEST = 64;

/** Markup that passes itself off as somebody who may give orders, or as what a chat template is made of. */
const CLOSING = /<\/(?:tool|function)_(?:results?|outputs?|responses?)>|<\/(?:documents?|context|search_results)>/y;
const SEAL = /<\|[a-z_]{2,20}\|>|<<\/?sys>>|\[\/?inst\]|<\/?(?:start|end)_of_turn>/y;
const TAG = new RegExp(
  [
    String.raw`<\/?[ !-]{0,4}(?:system|sys|assistant|instructions?|important|hidden|secret|critical|information|admin|override|prompt|urgent|attention|directive)(?:_[a-z]{2,16})?\b[^<>\n]{0,40}>`,
    String.raw`\[\/?(?:system|sys|hidden|secret|important|critical|urgent|(?:system|assistant|admin|ai|model|llm|developer|agent)[ _](?:instructions?|note|message|prompt|override|command|directive|notice))\b`,
    String.raw`#{1,6} {0,2}(?:new |updated )?(?:system|admin) (?:message|prompt|instructions?|override|notice)\b`,
    String.raw`\{\{[^\w\n]{0,4}(?:system|override|instructions?)\b`,
  ].join('|'),
  'y',
);
const ADDRESS = /:\\{0,2}\/\\{0,2}\/[^\s"'<>\\)]{1,200}|@[a-z0-9-]{1,63}\.[a-z0-9.-]{2,63}/y;
/** Where keys and passwords lie. */
const PATH =
  /\.(?:ssh|aws|env(?!\.)|npmrc|netrc|kube|gnupg|config\/|docker\/|git-credentials|[a-z]{2,4}_history)\b|\/etc\/(?:passwd|shadow)\b/y;
/** Names of variables and files that hold what nobody else may have. */
const CREDENTIAL = /secret|passw|api_?key|credential|(?:private|access|ssh)_key|id_(?:rsa|ed25519|ecdsa)/;
/** Who speaks, before a colon at the beginning of a line. */
const ROLE =
  /^(?:system|systeme|sistema|система|系统|assistant|developer|hidden)(?:_(?:message|prompt|override|note|notice|instructions?|directive|command|alert))?$|^(?:admin|administrator|root)_[a-z]+$|^(?:your_)?new_(?:instructions?|task|orders?|rules?)$/;
const TURN = /^(?:user|human|ai|bot|customer)$/;
/** Who is spoken to, before a comma or a colon, where a clause begins. */
const VOCATIVE =
  /^(?:[a-z]+_){0,3}(?:assistants?|ai|ais|llms?|ai_agents?|copilot|chatbots?|chatgpt|claude|gemini|notetaker|summari[sz]er|recruiter|ki|ia|ии|(?:to|for|dear|hey|hi|attention)_(?:the_)?(?:agents?|models?))(?:_tools?)?$/;

/** What stands behind an apostrophe is short; a long word behind one had its article before it. */
const WORD =
  /[[\p{L}\p{N}\p{M}_]--[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]]{1,64}(?:['’]\p{L}{1,4}(?!\p{L}))?/vy;
const ALONE = /[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]/;

const entries = entriesOf();
/** What was looked up is kept, in bounds: texts repeat their words. */
const known = new Map<string, Entry>();
const MOST_KNOWN = 20_000;

/** Reads a folded text once, from left to right, and shows what of it means something to the rules. */
export function readWords(text: string, see: See): void {
  const reader = new WordReader(text, see);
  for (let at = 0; at < text.length; ) at = reader.step(at);
}

class WordReader {
  readonly #text: string;
  readonly #see: See;
  #recent: string[] = [];
  #place = 0;
  #lettersUntil = -1;
  /** The last sign that was no letter. */
  #signed = 0;

  constructor(text: string, see: See) {
    this.#text = text;
    this.#see = see;
  }

  /** Takes what stands at a place; returns the place behind it. Each look ahead is bounded, so that all is linear. */
  step(at: number): number {
    const code = this.#text.charCodeAt(at);
    if (isWord(code)) return this.#word(at);
    if (code > 127) return this.#foreign(at);
    // Space, and stars of emphasis.
    if (code === 0x20 || code === 0x2a) return at + 1;
    const end = this.#sign(at, code);
    this.#recent = [];
    this.#signed = code;
    return end;
  }

  #sign(at: number, code: number): number {
    const text = this.#text;
    switch (code) {
      case 0x3c: // <
      case 0x5b: // [
      case 0x23: // #
      case 0x7b: // {
        return (
          this.#marked(SEAL, at, 'seal') ??
          this.#marked(CLOSING, at, 'closing') ??
          this.#marked(TAG, at, 'tag') ??
          at + 1
        );
      case 0x2f: // /
        return this.#marked(PATH, at, 'path') ?? at + 1;
      case 0x2c: // ,
        // Within a list somebody is only named.
        if (this.#signed !== 0x2c) this.#addressee();
        return at + 1;
      case 0x3a: // :
        this.#speaker();
        this.#addressee();
        return this.#end(at);
      case 0x2e: // .
        return (isWord(text.charCodeAt(at - 1)) ? undefined : this.#marked(PATH, at, 'path')) ?? this.#end(at);
      case 0x21: // !
      case 0x3b: // ;
      case 0x3f: // ?
        return this.#end(at);
      case 0x22: // A string of a JSON text ends.
        if (/[,:}\]]/.test(text.charAt(at + 1))) this.#place += PARAGRAPH;
        return at + 1;
      case 0x5c: // A line end of a JSON text.
        return /[nrt]/.test(text.charAt(at + 1)) ? at + 2 : at + 1;
      case 0x0a:
        if (text.charCodeAt(at + 1) === 0x0a) this.#place += PARAGRAPH;
        return at + 1;
      default:
        return at + 1;
    }
  }

  #end(at: number): number {
    const next = this.#text.charCodeAt(at + 1);
    if (!isWord(next)) this.#place += SENTENCE;
    return at + 1;
  }

  #marked(form: RegExp, at: number, meaning: Meaning): number | undefined {
    form.lastIndex = at;
    if (!form.test(this.#text)) return undefined;
    this.#see([meaning], ++this.#place);
    return form.lastIndex;
  }

  /** Who speaks stands alone before its colon. */
  #speaker(): void {
    const who = this.#recent.join('_');
    if (ROLE.test(who)) this.#see(['role'], this.#place);
    else if (TURN.test(who)) this.#see(['turn'], this.#place);
  }

  #addressee(): void {
    if (this.#recent.length > 0 && VOCATIVE.test(this.#recent.join('_'))) this.#see(['vocative'], this.#place);
  }

  #foreign(at: number): number {
    const char = this.#text.charAt(at);
    if (ALONE.test(char)) return this.#letter(at);
    WORD.lastIndex = at;
    if (WORD.test(this.#text)) return this.#word(at);
    if (/[。！？；]/.test(char)) this.#place += SENTENCE;
    this.#recent = [];
    return at + 1;
  }

  #letter(at: number): number {
    this.#place += LETTER;
    this.#recent = [];
    if (at < this.#lettersUntil) return at + 1;
    for (let length = RUN; length > 0; length--) {
      const { meanings } = entries.exact(this.#text.slice(at, at + length));
      if (meanings.length === 0) continue;
      this.#see(meanings, this.#place);
      this.#lettersUntil = at + length;
      break;
    }
    return at + 1;
  }

  #word(at: number): number {
    const text = this.#text;
    const word = wordAt(text, at);
    let end = at + Math.max(word.length, 1);
    this.#place++;
    const next = text.charCodeAt(end);
    if (next === 0x3a || next === 0x40) {
      ADDRESS.lastIndex = end;
      if ((next === 0x40 || /^https?$/.test(word)) && ADDRESS.test(text)) {
        this.#see(['address'], this.#place);
        this.#recent = [];
        return ADDRESS.lastIndex;
      }
    }
    if (word.length === LONGEST) while (isWord(text.charCodeAt(end))) end++;
    else if (word.includes('_', 1)) this.#identifier(word);
    else this.#phrase(word);
    if (word === 'mcp' && text.startsWith('.json', end)) this.#see(['path'], this.#place);
    return end;
  }

  #identifier(word: string): void {
    this.#see(CREDENTIAL.test(word) ? ['identifier', 'secret'] : ['identifier'], this.#place);
    this.#recent = [];
  }

  /** What a word means, alone and as the end of a phrase. */
  #phrase(word: string): void {
    const recent = this.#recent;
    if (recent.length === PHRASE) recent.shift();
    const { meanings, phrases } = lookUp(word);
    if (meanings.length > 0) this.#see(meanings, this.#place);
    for (const { before, meanings: whole } of phrases) if (endsWith(recent, before)) this.#see(whole, this.#place);
    recent.push(word);
  }
}

function lookUp(word: string): Entry {
  let entry = known.get(word);
  if (entry === undefined) {
    entry = entries.find(word);
    if (known.size >= MOST_KNOWN) known.clear();
    known.set(word, entry);
  }
  return entry;
}

function endsWith(recent: readonly string[], before: readonly string[]): boolean {
  const from = recent.length - before.length;
  return from >= 0 && before.every((word, index) => recent[from + index] === word);
}

/** Most words are ASCII letters and nothing else. */
function wordAt(text: string, at: number): string {
  let end = at;
  while (end < at + LONGEST && isWord(text.charCodeAt(end))) end++;
  const next = text.charCodeAt(end);
  if (next !== 0x27 && !(next > 127)) return text.slice(at, end);
  WORD.lastIndex = at;
  return WORD.exec(text)?.[0].replace('’', "'") ?? '';
}

/** ASCII letters, digits and the underscore; the text is in lower case. */
function isWord(code: number): boolean {
  return (code >= 0x61 && code <= 0x7a) || (code >= 0x30 && code <= 0x39) || code === 0x5f;
}
