import type { ListName } from '../../contract/upstream.ts';
import type { Message } from './message.ts';

const NOTICES: ReadonlyMap<string, ListName> = new Map([
  ['notifications/tools/list_changed', 'tools'],
  ['notifications/prompts/list_changed', 'prompts'],
]);

/** The lists that are other ones now, as the server has said in one conversation, and that it was not asked for since. */
export class StaleLists {
  readonly #names = new Set<ListName>();

  heard(message: Message): void {
    const name = message.kind === 'notification' ? NOTICES.get(message.method) : undefined;
    if (name !== undefined) this.#names.add(name);
  }

  has(name: ListName): boolean {
    return this.#names.has(name);
  }

  /** It is asked for now. */
  delete(name: ListName): void {
    this.#names.delete(name);
  }

  /** None has been asked for yet. */
  clear(): void {
    this.#names.clear();
  }
}
