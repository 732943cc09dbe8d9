import { fold } from '../fold.ts';
import { english } from './english.ts';
import { others } from './others.ts';

/** What words can mean to the rules. The first eight are told by their form, in any language. */
export type Meaning =
  | 'seal'
  | 'tag'
  | 'role'
  | 'turn'
  | 'vocative'
  | 'address'
  | 'path'
  | 'identifier'
  | 'ignore'
  | 'earlier'
  | 'whatever'
  | 'orders'
  | 'fresh'
  | 'model'
  | 'you'
  | 'your'
  | 'become'
  | 'henceforth'
  | 'mode'
  | 'persona'
  | 'free'
  | 'morals'
  | 'without'
  | 'refuse'
  | 'disclaim'
  | 'never'
  | 'must'
  | 'only'
  | 'urgent'
  | 'command'
  | 'tell'
  | 'user'
  | 'covertly'
  | 'quietly'
  | 'discreet'
  | 'deed'
  | 'private'
  | 'entire'
  | 'intimate'
  | 'send'
  | 'get'
  | 'secret'
  | 'sink'
  | 'put'
  | 'run'
  | 'when'
  | 'before'
  | 'first'
  | 'afterwards'
  | 'call'
  | 'tool'
  | 'other'
  | 'supersede'
  | 'approved'
  | 'say'
  | 'answer'
  | 'shape'
  | 'limits'
  | 'prompt'
  | 'two'
  | 'game'
  | 'as'
  | 'obey'
  | 'mention'
  | 'hail'
  | 'toward'
  | 'halt'
  | 'innards'
  | 'rank'
  | 'consented'
  | 'reading'
  | 'conduct'
  | 'content'
  | 'flawed'
  | 'malice'
  | 'arbitrary'
  | 'swap'
  | 'closing'
  | 'treat'
  | 'nothing'
  | 'field'
  | 'drop'
  | 'yield';

/** Forms by meaning, parted by spaces: `word`, `stem*`, `phrase_of_words`. */
export type Lexicon = Partial<Readonly<Record<Meaning, string>>>;

export interface Entry {
  readonly meanings: readonly Meaning[];
  /** Phrases that end in the word: the words before it, and what the whole means. */
  readonly phrases: readonly { readonly before: readonly string[]; readonly meanings: readonly Meaning[] }[];
}

interface Entries {
  /** Of a word or letters as they stand. */
  exact(word: string): Entry;
  /** Of a word as it stands and as it begins. */
  find(word: string): Entry;
}

const NOTHING: Entry = { meanings: [], phrases: [] };

/** All lexicons as one, made ready to be looked up in. */
export function entriesOf(): Entries {
  const words = new Map<string, Entry>();
  const stems = new Map<string, Entry>();
  for (const lexicon of [english, ...others]) {
    for (const [meaning, forms] of Object.entries(lexicon) as [Meaning, string][]) {
      for (const form of fold(forms).split(/\s+/)) {
        const before = form.split('_');
        const last = before.pop() ?? '';
        if (last === '') continue;
        const [into, key] = last.endsWith('*') ? [stems, last.slice(0, -1)] : [words, last];
        const entry = into.get(key) ?? NOTHING;
        const added =
          before.length === 0
            ? { meanings: [meaning], phrases: [] }
            : { meanings: [], phrases: [{ before, meanings: [meaning] }] };
        into.set(key, joined([entry, added]));
      }
    }
  }
  const lengths = [...stems.keys()].map(({ length }) => length);
  const [shortest, longest] = [Math.min(...lengths), Math.max(...lengths)];
  const exact = (word: string): Entry => words.get(word) ?? NOTHING;
  const find = (word: string): Entry => {
    const found = [exact(word)];
    for (let length = Math.min(word.length, longest); length >= shortest; length--)
      found.push(stems.get(word.slice(0, length)) ?? NOTHING);
    const those = found.filter((entry) => entry !== NOTHING);
    // Arabic writes its "and" as a part of the next word.
    if (those.length === 0 && word.startsWith('و')) return find(word.slice(1));
    return those.length === 0 ? NOTHING : joined(those);
  };
  return { exact, find };
}

function joined(all: readonly Entry[]): Entry {
  return {
    meanings: [...new Set(all.flatMap(({ meanings }) => meanings))],
    phrases: all.flatMap(({ phrases }) => phrases),
  };
}
