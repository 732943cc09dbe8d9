import { type ReviewedList, type Said, saidOf } from '../../contract/said.ts';
import type { Reviewed, UpstreamCall } from '../../contract/upstream.ts';
import { listLive } from './describe.ts';
import { type Channel, type Handshake, objectOf } from './handshake.ts';
import { type Descriptor, digestOf, PagesRead } from './pages-read.ts';
import type { StaleLists } from './stale-lists.ts';
import { asFailure, UpstreamFailure } from './upstream.ts';

/** Calls, and milliseconds, after which the lists are asked for again though nothing was said of a change. */
const MAX_CALLS = 200;
const MAX_AGE = 60_000;
/** Times that a server which says something else each time is told of. */
const MAX_TOLD = 100;
/** In the place of a digest. */
const NOT_LISTED = '';

/** What a server can be asked for its lists in. */
export interface Conversation extends Pick<Channel, 'request'> {
  readonly handshake: Handshake;
  readonly stale: StaleLists;
}

type Called = Pick<UpstreamCall, 'reviewed' | 'pinned' | 'differs'>;

/** In the order of the list: a hostile one may have a name twice. */
type Live = readonly Descriptor[];

interface Look {
  readonly of: StaleLists;
  readonly lists: Readonly<Record<ReviewedList, Promise<Live>>>;
  /** Resolves when each list is there or cannot be had. Undefined: that tells nothing of the server. */
  readonly whole: Promise<{ readonly said: Said; readonly digest: string } | undefined>;
  /** How many changes had been told of when it was asked for. */
  readonly heard: number;
  isThere: boolean;
  calls: number;
  /** Milliseconds since the epoch; 0: it could not be had. */
  until: number;
}

/**
 * Whether one server still says of itself what was reviewed. Its lists are asked for while a sandbox waits for its call, else
 * before the first call, after each `list_changed`, and again after so many calls or so long. A descriptor that was as reviewed and
 * then another one stays refused, in every sandbox and session, until a person has reviewed it again: a server that
 * flips back and forth is not trusted because it shows its good side now.
 */
export class Constancy {
  readonly #now: () => number;
  /** Keys of what has been listed as it was reviewed, and of what was listed otherwise after that. */
  readonly #asReviewed = new Set<string>();
  readonly #flipped = new Map<string, string>();
  readonly #looks = new WeakMap<object, Look>();
  readonly #told = new Set<string>();
  readonly #pages = new PagesRead();

  /** @param now milliseconds since the epoch */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Asks for all lists now, off any call's path, for calls that will come with the same `life`. */
  begin(life: object, conversation: Conversation): void {
    this.#ask(life, conversation);
  }

  hasBegun(life: object): boolean {
    return this.#looks.has(life);
  }

  /**
   * Before a call.
   * @param life as long as it is there, one look at the lists counts for all conversations
   * @throws UpstreamFailure `changed`, or why the list cannot be had
   */
  async before(call: Called, life: object, conversation: Conversation): Promise<void> {
    if (call.reviewed === undefined && call.pinned === undefined) return;
    const known = this.#looks.get(life);
    const current = known !== undefined && this.#isCurrent(known, conversation) ? known : undefined;
    if (current !== undefined) current.calls++;
    await this.#compare(call, current, life, conversation);
  }

  /**
   * After it: what a server answers that was seen changed meanwhile, be it by another call, or that says so, is not passed on.
   * Throws as `before`.
   */
  async after(call: Called, life: object, conversation: Conversation): Promise<void> {
    const known = this.#looks.get(life);
    if (known === undefined) return;
    if (isOver(known, conversation)) await this.#compare(call, undefined, life, conversation);
    else if (isOfUse(known, conversation)) await this.#compare(call, known, life, conversation);
  }

  /** @param current a look that counts still; undefined: there is none */
  async #compare(call: Called, current: Look | undefined, life: object, conversation: Conversation): Promise<void> {
    const { reviewed } = call;
    const isOld = current?.isThere === true;
    const look = current ?? this.#ask(life, conversation);
    // All of it, and not only what the call is about: whoever does not answer the rest would never be told of.
    this.#tell(call, await look.whole);
    if (reviewed === undefined) return;
    const { list, name, digest, review = 0 } = reviewed;
    const key = JSON.stringify([list, name, digest, review]);
    if (!this.#flipped.has(key)) {
      const other = otherIn(await listed(look, list), reviewed);
      if (other === undefined) {
        this.#asReviewed.add(key);
        return;
      }
      // Since an older look another descriptor may have been reviewed.
      if (isOld) return this.#compare(call, undefined, life, conversation);
      if (other === NOT_LISTED) throw new UpstreamFailure('changed', `${name} is not in ${list}/list now`);
      // A pin may be in force before the server is what it says.
      if (!this.#asReviewed.has(key)) throw changed(reviewed, other);
      this.#flipped.set(key, other);
    }
    throw changed(reviewed, this.#flipped.get(key) ?? '');
  }

  #isCurrent(look: Look, conversation: Conversation): boolean {
    if (isOver(look, conversation) || !isOfUse(look, conversation)) return false;
    return look.calls < MAX_CALLS && this.#now() < look.until;
  }

  #ask(life: object, conversation: Conversation): Look {
    const { stale, handshake } = conversation;
    const live = (list: ReviewedList): Promise<Live> => listLive(conversation, handshake, list, this.#pages.read);
    const lists = { tools: live('tools'), prompts: live('prompts'), resourceTemplates: live('resourceTemplates') };
    const whole = wholeOf(handshake, lists);
    const until = this.#now() + MAX_AGE;
    const look: Look = { of: stale, lists, whole, heard: stale.heard, isThere: false, calls: 1, until };
    void whole.then((now) => {
      look.isThere = now !== undefined;
    });
    this.#looks.set(life, look);
    return look;
  }

  /** What no call is about is not refused: that a server offers more, or says something else to all, is told once. */
  #tell(call: Called, now: Awaited<Look['whole']>): void {
    const { pinned } = call;
    if (pinned === undefined || now === undefined || now.digest === pinned) return;
    const key = `${pinned} ${now.digest}`;
    if (this.#told.has(key) || this.#told.size >= MAX_TOLD) return;
    this.#told.add(key);
    call.differs?.(now.said);
  }
}

/** It could not be had, or the server has said since that it changed. */
function isOver({ of, heard, until }: Look, { stale }: Conversation): boolean {
  return until === 0 || stale.heard > (of === stale ? heard : 0);
}

/** Another sandbox's look counts once it is there: that one may end before. */
function isOfUse({ of, isThere }: Look, { stale }: Conversation): boolean {
  return isThere || of === stale;
}

/** A list that could not be had is asked for again by whoever comes next. */
async function listed(look: Look, list: ReviewedList): Promise<Live> {
  try {
    return await look.lists[list];
  } catch (error) {
    look.until = 0;
    throw error;
  }
}

function otherIn(live: Live, { name, digest }: Reviewed): string | undefined {
  const found = live.filter((one) => one.name === name);
  return found.length === 0 ? NOT_LISTED : found.find((one) => one.digest !== digest)?.digest;
}

function changed({ list, name, digest }: Reviewed, now: string): UpstreamFailure {
  return new UpstreamFailure('changed', `${list}/list has had ${name} as ${now}, and ${digest} was reviewed`);
}

async function wholeOf({ raw }: Handshake, lists: Look['lists']): Promise<Awaited<Look['whole']>> {
  const missing: string[] = [];
  let isOurs = false;
  const had = async (list: ReviewedList): Promise<Live> => {
    try {
      return await lists[list];
    } catch (error) {
      const { code, isTelling } = asFailure(error);
      // Sandboxes are ended, and calls taken back, for reasons of our own.
      isOurs ||= !isTelling || code === 'isolation';
      missing.push(`${list} cannot be listed`);
      return [];
    }
  };
  const [tools, prompts, resourceTemplates] = await Promise.all([
    had('tools'),
    had('prompts'),
    had('resourceTemplates'),
  ]);
  // A conversation that is over shows nothing at all, and is begun again.
  const isSilent = missing.length > 0 && [tools, prompts, resourceTemplates].every(({ length }) => length === 0);
  if (isOurs || isSilent) return undefined;
  const { instructions } = objectOf(raw);
  const known = typeof instructions === 'string' ? digestOf(instructions) : undefined;
  const said = [...saidOf(known, { tools, prompts, resourceTemplates }), ...missing.sort()];
  return { said, digest: digestOf(JSON.stringify(said)) };
}
