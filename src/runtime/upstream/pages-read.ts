import { hash } from 'node:crypto';
import { pageOf } from './describe.ts';
import { objectOf } from './handshake.ts';

/** Characters of all pages that are remembered, each with what it costs beside them: more no server may say of itself. */
const MAX_REMEMBERED = 4 * 1024 * 1024;
const OVERHEAD = 500;

/** A descriptor as it is compared. */
export interface Descriptor {
  readonly name: string;
  /** `sha256-BASE64` of its raw JSON. */
  readonly digest: string;
}

interface Page {
  readonly elements: readonly Descriptor[];
  readonly next: string | undefined;
}

/** One server's pages. Its sandboxes say the same, text for text, one after another: each page is taken apart once. */
export class PagesRead {
  readonly #known = new Map<string, Page>();
  #remembered = 0;

  /** @throws UpstreamFailure */
  readonly read = (raw: string, method: string, member: string): Page => {
    const key = `${member} ${digestOf(raw)}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const { elements, next } = pageOf(raw, method, member);
    const page = { elements: elements.flatMap(descriptorOf), next };
    const size = raw.length + OVERHEAD;
    if (this.#remembered + size > MAX_REMEMBERED) {
      this.#known.clear();
      this.#remembered = 0;
    }
    this.#remembered += size;
    this.#known.set(key, page);
    return page;
  };
}

export function digestOf(text: string): string {
  return `sha256-${hash('sha256', text, 'base64')}`;
}

function descriptorOf(raw: string): Descriptor[] {
  const { name } = objectOf(raw);
  return typeof name === 'string' ? [{ name, digest: digestOf(raw) }] : [];
}
