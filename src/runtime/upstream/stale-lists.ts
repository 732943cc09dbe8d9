import type { Message } from './message.ts';

const NOTICES: ReadonlySet<string> = new Set([
  'notifications/tools/list_changed',
  'notifications/prompts/list_changed',
]);

/** How often a server has said that its lists are other ones now. */
export class StaleLists {
  #heard = 0;

  heardOf(message: Message): void {
    if (message.kind === 'notification' && NOTICES.has(message.method)) this.#heard++;
  }

  get heard(): number {
    return this.#heard;
  }

  /** Nobody has asked for a list yet. */
  clear(): void {
    this.#heard = 0;
  }
}
