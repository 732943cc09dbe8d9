import { createHash } from 'node:crypto';
import { Refusal } from '../../contract/refusal.ts';
import { those } from '../../contract/soon.ts';
import type { Framed, Subject } from '../../contract/tool-call.ts';
import type { Catalogue, CataloguedServer, Entry } from './catalogue.ts';
import { decodeCursor, encodeCursor } from './cursor.ts';
import type { Visibility, Visible } from './visibility.ts';

const PAGE = 200;
/** Milliseconds for which a client of 2026-07-28 may keep a list of pins. */
const TTL = 30_000;

type Kind = 'tools' | 'prompts' | 'templates';

const LISTS: ReadonlyMap<string, { readonly kind: Kind; readonly member: string }> = new Map([
  ['tools/list', { kind: 'tools', member: 'tools' }],
  ['prompts/list', { kind: 'prompts', member: 'prompts' }],
  ['resources/templates/list', { kind: 'templates', member: 'resourceTemplates' }],
]);

export interface ListsDeps {
  readonly catalogue: Catalogue;
  readonly visibility: Visibility;
  readonly visible: Visible;
}

/**
 * Answers what is answered from pins, filtered for the subject; gives the raw result, or undefined for what a server has
 * to be asked. `resources/list` is answered here only where the subject may list no server's: with an empty list.
 * @throws Refusal params for a cursor that is not ours
 */
export function lists(deps: ListsDeps): (call: Framed) => Promise<string | undefined> {
  return async (call) => {
    const { arrived, subject, frame } = call;
    if (frame.method === 'resources/list') {
      const none = (await deps.visibility.listable(subject, arrived.server)).length === 0;
      return none ? page('resources', [], undefined, frame.modern) : undefined;
    }
    const list = LISTS.get(frame.method);
    if (list === undefined) return undefined;

    const shown = await entries(deps, list.kind, subject, arrived.server);
    const from = offset(frame.params?.cursor, shown.length);
    const raws = shown
      .slice(from, from + PAGE)
      .map(({ pin, publicRaw }) => (arrived.server === undefined ? publicRaw : pin.raw));
    const next = from + PAGE < shown.length ? encodeCursor({ at: from + PAGE }) : undefined;
    return page(list.member, raws, next, frame.modern);
  };
}

/** A digest of each list that a subject sees at `/mcp`, or at `/mcp/SERVER`: it changes when the list does. */
export function listDigests(
  deps: ListsDeps,
): (
  subject: Subject,
  only: string | undefined,
) => Promise<Readonly<Record<'tools' | 'prompts' | 'resources', string>>> {
  return async (subject, only) => {
    const shown = async (kind: Kind) =>
      (await entries(deps, kind, subject, only)).map(({ server, pin }) => [server, pin.raw]);
    // What a server's own list holds is not known here: only whose is shown, and in which version of the server.
    const listable = (await deps.visibility.listable(subject, only)).map((name) => [
      name,
      deps.catalogue.servers.get(name)?.pins.serverInfo,
    ]);
    return {
      tools: digest(await shown('tools')),
      prompts: digest(await shown('prompts')),
      resources: digest([await shown('templates'), listable]),
    };
  };
}

function digest(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('base64');
}

function entries(deps: ListsDeps, kind: Kind, subject: Subject, only: string | undefined): Promise<readonly Entry[]> {
  const { servers } = deps.catalogue;
  const one = only === undefined ? undefined : servers.get(only);
  const chosen: readonly CataloguedServer[] = only === undefined ? [...servers.values()] : one ? [one] : [];
  const all = chosen.flatMap((server) => server[kind]);
  return those(all, ({ action }) => deps.visible(subject, action));
}

/** Marks count what the subject sees, so that they tell nothing of what it does not see. */
function offset(cursor: unknown, length: number): number {
  if (cursor === undefined) return 0;
  if (typeof cursor !== 'string') throw new Refusal('params', 'a cursor that is no string');
  const { at, ...rest } = decodeCursor(cursor);
  if (typeof at !== 'number' || !Number.isSafeInteger(at) || at <= 0 || at >= length || Object.keys(rest).length > 0) {
    throw new Refusal('params', 'a cursor that is not ours');
  }
  return at;
}

function page(member: string, raws: readonly string[], next: string | undefined, modern: boolean): string {
  const cursor = next === undefined ? '' : `,"nextCursor":"${next}"`;
  const caching = modern ? `,"resultType":"complete","ttlMs":${TTL},"cacheScope":"private"` : '';
  return `{"${member}":[${raws.join(',')}]${cursor}${caching}}`;
}
