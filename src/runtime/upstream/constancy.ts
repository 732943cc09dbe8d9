import { hash } from 'node:crypto';
import type { ListName, Reviewed } from '../../contract/upstream.ts';
import { listLive } from './describe.ts';
import { type Channel, type Handshake, objectOf } from './handshake.ts';
import type { StaleLists } from './stale-lists.ts';
import { UpstreamFailure } from './upstream.ts';

/** Calls, and milliseconds, after which a list is asked for again though nothing was said of a change. */
const MAX_CALLS = 200;
const MAX_AGE = 60_000;
/** In the place of a digest. */
const NOT_LISTED = '';

/** What a server can be asked for its lists in. */
export interface Conversation extends Pick<Channel, 'request'> {
  readonly handshake: Handshake;
  readonly stale: StaleLists;
}

/** Name → digests of the descriptors under it: a hostile list may have two. */
type Live = ReadonlyMap<string, readonly string[]>;

interface Look {
  live: Live | undefined;
  calls: number;
  /** Milliseconds since the epoch. */
  until: number;
  asked: { readonly of: StaleLists; readonly live: Promise<Live> } | undefined;
}

/**
 * Whether one server still says of its tools and prompts what was reviewed. Its list is asked for before the first call,
 * after each `list_changed`, and again after so many calls or so long. A descriptor that was as reviewed and then another one
 * stays refused, in every sandbox and session, until another one is reviewed.
 */
export class Constancy {
  readonly #now: () => number;
  /** Keys of what has been listed as it was reviewed, and of what was listed otherwise after that. */
  readonly #asReviewed = new Set<string>();
  readonly #flipped = new Map<string, string>();
  readonly #looks = new WeakMap<object, Map<ListName, Look>>();

  /** @param now milliseconds since the epoch */
  constructor(now: () => number) {
    this.#now = now;
  }

  /**
   * Before a call.
   * @param life as long as it is there, one look at the list counts for all conversations
   * @throws UpstreamFailure `changed`, or why the list cannot be had
   */
  async before({ reviewed }: Called, life: object, conversation: Conversation): Promise<void> {
    if (reviewed === undefined) return;
    const look = this.#lookOf(life, reviewed.list);
    look.calls++;
    await this.#compare(reviewed, look, conversation);
  }

  /** After it: what a server answers that has said meanwhile that it changed is not passed on unseen. Throws as `before`. */
  async after({ reviewed }: Called, life: object, conversation: Conversation): Promise<void> {
    if (reviewed === undefined || !conversation.stale.has(reviewed.list)) return;
    await this.#compare(reviewed, this.#lookOf(life, reviewed.list), conversation);
  }

  async #compare(reviewed: Reviewed, look: Look, conversation: Conversation): Promise<void> {
    const { list, name, digest } = reviewed;
    const key = JSON.stringify([list, name, digest]);
    if (!this.#flipped.has(key)) {
      const other = await this.#differing(reviewed, look, conversation);
      if (other === undefined) {
        this.#asReviewed.add(key);
        return;
      }
      if (other === NOT_LISTED) throw new UpstreamFailure('changed', `${name} is not in ${list}/list now`);
      // A pin may be in force before the server is what it says.
      if (!this.#asReviewed.has(key)) throw changed(reviewed, other);
      this.#flipped.set(key, other);
    }
    throw changed(reviewed, this.#flipped.get(key) ?? '');
  }

  /** The digest that is listed instead of the reviewed one. */
  async #differing(reviewed: Reviewed, look: Look, conversation: Conversation): Promise<string | undefined> {
    const { list } = reviewed;
    const { live, calls, until, asked } = look;
    const isStale = conversation.stale.has(list);
    if (asked?.of === conversation.stale && !isStale) return otherIn(await asked.live, reviewed);
    const isCurrent = !isStale && calls <= MAX_CALLS && this.#now() < until;
    // Since an older look another descriptor may have been reviewed.
    if (isCurrent && live !== undefined && otherIn(live, reviewed) === undefined) return undefined;
    return otherIn(await this.#ask(list, look, conversation), reviewed);
  }

  #lookOf(life: object, list: ListName): Look {
    const looks = this.#looks.get(life) ?? new Map<ListName, Look>();
    this.#looks.set(life, looks);
    const look = looks.get(list) ?? { live: undefined, calls: 0, until: 0, asked: undefined };
    looks.set(list, look);
    return look;
  }

  /** Calls that come meanwhile in the same conversation wait for the same answer. */
  #ask(list: ListName, look: Look, conversation: Conversation): Promise<Live> {
    conversation.stale.delete(list);
    [look.calls, look.until] = [1, this.#now() + MAX_AGE];
    const asked = { of: conversation.stale, live: liveOf(list, conversation) };
    look.asked = asked;
    asked.live.then(
      (live) => {
        if (look.asked === asked) [look.live, look.asked] = [live, undefined];
      },
      () => {
        // Whoever comes next asks again.
        if (look.asked === asked) [look.until, look.asked] = [0, undefined];
      },
    );
    return asked.live;
  }
}

interface Called {
  readonly reviewed?: Reviewed | undefined;
}

function otherIn(live: Live, { name, digest }: Reviewed): string | undefined {
  const found = live.get(name);
  return found === undefined ? NOT_LISTED : found.find((one) => one !== digest);
}

function changed({ list, name, digest }: Reviewed, now: string): UpstreamFailure {
  return new UpstreamFailure('changed', `${list}/list has had ${name} as ${now}, and ${digest} was reviewed`);
}

async function liveOf(list: ListName, conversation: Conversation): Promise<Live> {
  const live = new Map<string, string[]>();
  for (const raw of await listLive(conversation, conversation.handshake, list)) {
    const { name } = objectOf(raw);
    if (typeof name !== 'string') continue;
    const digest = `sha256-${hash('sha256', raw, 'base64')}`;
    const same = live.get(name);
    if (same === undefined) live.set(name, [digest]);
    else same.push(digest);
  }
  return live;
}
