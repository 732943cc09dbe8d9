import { Refusal } from '../../contract/refusal.ts';
import { RECORD_LIFE, type Records } from '../../contract/state-store.ts';
import type { Framed } from '../../contract/tool-call.ts';

const KIND = 'kept sandbox';
/** Milliseconds that a record outlives the sandbox: a call may be long. */
const LONGER = 10 * 60_000;

/** Where the sandboxes are that are kept for callers (servers of `isolation: session`): each at one replica. */
export class KeptHomes {
  readonly #records: Records;
  readonly #me: string;

  constructor(records: Records, me: string) {
    this.#records = records;
    this.#me = me;
  }

  /**
   * The replica that has the sandbox of a subject whose client keeps no session; this one where nobody has it.
   * @param idle milliseconds after its last call at which it ends
   * @param gone a replica that is not there any more
   * @throws StateUnavailable
   */
  async homeOf(server: string, subject: string, idle: number, gone?: string): Promise<string> {
    const id = JSON.stringify([server, subject, null]);
    const found = await this.#records.read(KIND, id);
    if (found !== undefined && found.text !== this.#me && found.text !== gone) return found.text;
    if (await this.#write(id, idle, found)) return this.#me;
    return (await this.#records.read(KIND, id))?.text ?? this.#me;
  }

  /**
   * Says that the sandbox of a session is here, where the session is.
   * @throws Refusal isolation, once, where it was at a replica before that is gone: what it remembered is lost; StateUnavailable
   */
  async keepHere(server: string, subject: string, session: string, idle: number): Promise<void> {
    const id = JSON.stringify([server, subject, session]);
    const found = await this.#records.read(KIND, id);
    await this.#write(id, idle, found);
    if (found !== undefined && found.text !== this.#me)
      throw new Refusal('isolation', 'what it remembered is lost with the gateway that had it');
  }

  #write(id: string, idle: number, over: Awaited<ReturnType<Records['read']>>): Promise<boolean> {
    return this.#records.write(KIND, id, this.#me, Math.min(idle + LONGER, RECORD_LIFE), over ?? null);
  }
}

/** The server that a request of a call names, before anybody has looked whether there is one; undefined: it names none. */
export function namedServer({ arrived, frame }: Framed): string | undefined {
  const { method, params } = frame;
  if (!['tools/call', 'prompts/get', 'resources/read'].includes(method)) return undefined;
  if (arrived.server !== undefined) return arrived.server;
  const [name, end] = method === 'resources/read' ? [params?.uri, '+'] : [params?.name, '__'];
  return typeof name === 'string' && name.includes(end) ? name.slice(0, name.indexOf(end)) : undefined;
}
