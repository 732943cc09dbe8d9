import type { CallerSession } from '../../contract/caller.ts';
import type { Refusal } from '../../contract/refusal.ts';
import type { Frame } from '../../contract/tool-call.ts';

/** Addresses that are remembered; the oldest give way. */
const MOST = 4096;

/**
 * Sessions whose client was given an address for its person, and is told when he has been there (MCP 2025-11-25, URL Mode
 * Elicitation). Older clients do not know of it, and to one of 2026-07-28 the specification has nothing to say.
 */
export class Led {
  readonly #sessions = new Map<string, CallerSession>();

  refused({ code, data }: Refusal, frame: Frame | undefined, session: CallerSession | undefined): void {
    const id = code.endsWith('-url') ? data?.id : undefined;
    if (typeof id !== 'string' || frame?.revision !== '2025-11-25' || session === undefined) return;
    this.#sessions.delete(id);
    this.#sessions.set(id, session);
    const [oldest] = this.#sessions.keys();
    if (this.#sessions.size > MOST && oldest !== undefined) this.#sessions.delete(oldest);
  }

  /** A person has done what an address was for. */
  visited(id: string): void {
    const session = this.#sessions.get(id);
    this.#sessions.delete(id);
    if (session === undefined || session.ended.aborted) return;
    const params = JSON.stringify({ elicitationId: id });
    session.notify(`{"jsonrpc":"2.0","method":"notifications/elicitation/complete","params":${params}}`);
  }
}
