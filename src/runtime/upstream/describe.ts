import { isObject } from '../../contract/json.ts';
import type { LiveDescriptors } from '../../contract/runtime-link.ts';
import type { ReviewedList } from '../../contract/said.ts';
import { rawElements, rawMembers } from '../../contract/strict-json.ts';
import { type Channel, type Handshake, objectOf } from './handshake.ts';
import { UpstreamFailure } from './upstream.ts';

const MAX_PAGES = 100;
const MAX_ELEMENTS = 10_000;
/** Characters of all descriptors of one server. */
const MAX_SIZE = 4 * 1024 * 1024;
const METHOD_NOT_FOUND = -32601;
const TEMPLATES = 'resources/templates/list';

/**
 * Everything that the server says it offers, page by page, as raw JSON texts.
 * @throws UpstreamFailure
 */
export async function describeServer(channel: Channel, handshake: Handshake): Promise<LiveDescriptors> {
  const has = (capability: string) => isObject(handshake.capabilities[capability]);
  const budget = fullBudget();
  budget.size -= handshake.raw.length;
  const list = (method: string, member: string) => listAll(channel, handshake, method, member, budget, pageOf);
  return {
    handshake: handshake.raw,
    tools: has('tools') ? await list('tools/list', 'tools') : [],
    prompts: has('prompts') ? await list('prompts/list', 'prompts') : [],
    resourceTemplates: has('resources') ? await list(TEMPLATES, 'resourceTemplates') : [],
  };
}

/**
 * One list as it is now.
 * @param read takes a page apart
 * @throws UpstreamFailure
 */
export async function listLive<Element>(
  channel: Pick<Channel, 'request'>,
  handshake: Handshake,
  list: ReviewedList,
  read: Read<Element>,
): Promise<readonly Element[]> {
  const [capability, method] = list === 'resourceTemplates' ? ['resources', TEMPLATES] : [list, `${list}/list`];
  if (!isObject(handshake.capabilities[capability])) return [];
  return listAll(channel, handshake, method, list, fullBudget(), read);
}

interface Page<Element> {
  readonly elements: readonly Element[];
  /** Raw JSON of the cursor of the next one. */
  readonly next: string | undefined;
}

/** @throws UpstreamFailure */
type Read<Element> = (raw: string, method: string, member: string) => Page<Element>;

interface Budget {
  pages: number;
  elements: number;
  size: number;
}

function fullBudget(): Budget {
  return { pages: MAX_PAGES, elements: MAX_ELEMENTS, size: MAX_SIZE };
}

async function listAll<Element>(
  channel: Pick<Channel, 'request'>,
  { era }: Handshake,
  method: string,
  member: string,
  budget: Budget,
  read: Read<Element>,
): Promise<Element[]> {
  const elements: Element[] = [];
  for (let params = '{}'; ; ) {
    if (--budget.pages < 0) throw new UpstreamFailure('size', `${method}: more than ${MAX_PAGES} pages of descriptors`);
    const answer = await channel.request(method, Buffer.from(params), era);
    if (answer.kind === 'error') {
      // The `resources` capability promises no templates, so a server may not know the method.
      if (method === TEMPLATES && objectOf(answer.raw).code === METHOD_NOT_FOUND) return elements;
      throw new UpstreamFailure('upstream', `${method}: ${answer.raw.slice(0, 512)}`);
    }
    const page = read(answer.raw, method, member);
    budget.elements -= page.elements.length;
    budget.size -= answer.raw.length;
    if (budget.elements < 0) throw new UpstreamFailure('size', `more than ${MAX_ELEMENTS} descriptors`);
    if (budget.size < 0) throw new UpstreamFailure('size', `more than ${MAX_SIZE} characters of descriptors`);
    elements.push(...page.elements);
    if (page.next === undefined) return elements;
    params = `{"cursor":${page.next}}`;
  }
}

/** The raw JSON of its descriptors. @throws UpstreamFailure */
export function pageOf(raw: string, method: string, member: string): Page<string> {
  const value = objectOf(raw);
  const members = rawMembers(raw);
  const list = value[member];
  if (!Array.isArray(list) || !list.every(isObject))
    throw new UpstreamFailure('upstream', `${method}: \`${member}\` is not an array of objects`);
  const cursor = value.nextCursor;
  if (cursor !== undefined && cursor !== null && typeof cursor !== 'string')
    throw new UpstreamFailure('upstream', `${method}: a cursor that is not a string`);
  const more = typeof cursor === 'string';
  return { elements: rawElements(members.get(member) ?? '[]'), next: more ? members.get('nextCursor') : undefined };
}
