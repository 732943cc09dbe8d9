import type { CallerSession } from '../../contract/caller.ts';
import { Refusal } from '../../contract/refusal.ts';
import { metaEdits } from '../../contract/result-meta.ts';
import { splice } from '../../contract/splice.ts';
import type { Framed, Revision, Screened, Subject } from '../../contract/tool-call.ts';
import { type Cut, cut } from './cut.ts';
import type { Kept, MayHave, Piece, Remainders } from './remainders.ts';
import { bytesOf } from './text.ts';

/** What a session, or a subject in its time, may yet be given. */
export interface Allowance {
  /** Bytes. @throws Refusal where it is nothing */
  left(subject: Subject, session: CallerSession | undefined): number;
  take(subject: Subject, session: CallerSession | undefined, bytes: number): void;
}

export interface FitDeps {
  readonly remainders: Pick<Remainders, 'keep' | 'piece'>;
  readonly allowance: Allowance;
  /** Bytes that a client gets at once of that server. */
  readonly maxAnswer: (server: string) => number;
}

export interface Fitted {
  readonly result: string;
  /** Bytes that were cut off; undefined: none. */
  readonly cut: number | undefined;
}

/**
 * Gives a result as it is where it is small enough, else a valid beginning of it that says how the rest can be read; both
 * delimited where it is suspected.
 * @param whole raw JSON, filtered and in the client's names
 * @throws Refusal size, where it cannot be cut, or nothing is left of the session's allowance
 */
export function fit(deps: FitDeps, call: Screened, whole: string, session: CallerSession | undefined): Fitted {
  const { subject, target, frame, delimit = same } = call;
  const size = bytesOf(whole);
  const limit = Math.min(deps.maxAnswer(target.server), deps.allowance.left(subject, session));
  const short = size <= limit ? undefined : cut(target.method, whole, limit);
  if (size > limit && short === undefined)
    throw new Refusal('size', `${target.server}: ${size} bytes, above ${limit}, and cannot be cut`);
  let result = whole;
  if (short !== undefined) {
    const kept = deps.remainders.keep(call, session, short.rest);
    const bytes = size - bytesOf(short.head);
    const noted = splice(short.head, [noteEdit(target.method, short, kept, bytes, frame.revision)]);
    const next = kept && { next: kept.uriOf(1), pieces: kept.pieces };
    result = splice(noted, metaEdits(noted, 'innerkeep/rest', { bytes, ...next }));
  }
  const given = delimit(result);
  deps.allowance.take(subject, session, bytesOf(given));
  return { result: given, cut: short && size - bytesOf(short.head) };
}

/**
 * The raw result of `resources/read` for a piece of what was cut off, and the action of the call that it is of; undefined:
 * the URI is none of ours.
 * @throws Refusal unknown-resource; size or rate, where nothing is left of the allowance
 */
export async function readOn(
  deps: FitDeps,
  call: Framed,
  session: CallerSession | undefined,
  mayHave: MayHave,
): Promise<{ readonly result: string; readonly action: string } | undefined> {
  const piece = await deps.remainders.piece(call, session, mayHave);
  if (piece === undefined) return undefined;
  const { delimit = same, action } = piece;
  const result = delimit(resultOf(piece, call.frame.modern));
  const left = deps.allowance.left(call.subject, session);
  const bytes = bytesOf(result);
  if (bytes > left) throw new Refusal('size', `a piece of ${bytes} bytes, and ${left} are left`);
  deps.allowance.take(call.subject, session, bytes);
  return { result, action };
}

function resultOf({ contents, number, of, next }: Piece, modern: boolean): string {
  const meta = { 'innerkeep/rest': { piece: number, pieces: of, ...(next !== undefined && { next }) } };
  const caching = modern ? ',"resultType":"complete","ttlMs":0,"cacheScope":"private"' : '';
  const told = next === undefined ? '' : `,${JSON.stringify(entry(next, `[piece ${number} of ${of}; next: ${next}]`))}`;
  return `{"contents":${contents.slice(0, -1)}${told}],"_meta":${JSON.stringify(meta)}${caching}}`;
}

const same = (text: string): string => text;
const entry = (uri: string, text: string) => ({ uri, mimeType: 'text/plain', text });

/** What the model reads where the answer was cut, in the form that the list's elements have. */
function noteEdit(
  method: Screened['target']['method'],
  { end, isEmpty }: Cut,
  kept: Kept | undefined,
  bytes: number,
  revision: Revision,
) {
  const text = kept === undefined ? unkept(bytes) : howToGoOn(kept, bytes);
  const elements: object[] = [];
  if (method === 'resources/read') elements.push(entry(kept?.uriOf(1) ?? 'innerkeep:rest', text));
  else if (method === 'prompts/get') elements.push({ role: 'user', content: { type: 'text', text } });
  else elements.push({ type: 'text', text }, ...(kept && LINKED.has(revision) ? [linkTo(kept)] : []));
  const comma = isEmpty ? '' : ',';
  return { start: end, end, text: comma + elements.map((element) => JSON.stringify(element)).join(',') };
}

/** Resource links came with 2025-06-18; older clients take a block that they do not know for a fault. */
const LINKED: ReadonlySet<Revision> = new Set<Revision>(['2025-06-18', '2025-11-25', '2026-07-28']);

function linkTo({ uriOf, pieces }: Kept) {
  const description = `In ${pieces} pieces; each names the next.`;
  return { type: 'resource_link', uri: uriOf(1), name: 'rest', title: 'The rest of this answer', description };
}

function howToGoOn({ uriOf, pieces, until }: Kept, bytes: number): string {
  const time = new Date(until).toISOString().slice(0, 19);
  return `[cut here: ${bytes} bytes more can be read, until ${time}Z, as the resource ${uriOf(1)} (resources/read), in ${pieces} pieces of which each names the next]`;
}

function unkept(bytes: number): string {
  return `[cut here: ${bytes} bytes more are not kept, since there was no room for them; ask for less at a time]`;
}
