/** How much of the pool may be held. */
interface HoldLimits {
  readonly sandboxes: number;
  /** Bytes: the sum of the memory limits. */
  readonly memory: number;
}

/** What a sandbox is held for: to listen, to wait for what the client answers the server, or to be there for a session. */
export type HoldKind = 'listening' | 'asking' | 'kept';

/** Sandboxes that one subject may hold; of calls that ask more than the gateway holds, so that it chooses which end. */
const PER_SUBJECT: Readonly<Record<HoldKind, number>> = { listening: 4, asking: 6, kept: 4 };

/**
 * Counts the sandboxes that do not work and stay all the same, so that those never take the room in which calls run.
 */
export class Holds {
  readonly #counts = new Map<string, number>();
  #sandboxes = 0;
  #memory = 0;

  /**
   * @param perServer sandboxes of one server
   * @returns what gives the room back (once); undefined where there is none
   */
  take(
    server: { readonly name: string; readonly memory: number },
    subject: string,
    kind: HoldKind,
    limits: HoldLimits & { readonly perServer: number },
  ): (() => void) | undefined {
    const ofServer = `server ${server.name}`;
    const ofSubject = `${kind} ${subject}`;
    if (this.#sandboxes >= limits.sandboxes || this.#memory + server.memory > limits.memory) return undefined;
    if (this.#count(ofServer) >= limits.perServer || this.#count(ofSubject) >= PER_SUBJECT[kind]) return undefined;
    this.#add(1, server.memory, [ofServer, ofSubject]);
    let held = true;
    return () => {
      if (held) this.#add(-1, -server.memory, [ofServer, ofSubject]);
      held = false;
    };
  }

  #count(key: string): number {
    return this.#counts.get(key) ?? 0;
  }

  #add(sandboxes: number, memory: number, keys: readonly string[]): void {
    this.#sandboxes += sandboxes;
    this.#memory += memory;
    for (const key of keys) {
      const count = this.#count(key) + sandboxes;
      if (count > 0) this.#counts.set(key, count);
      else this.#counts.delete(key);
    }
  }
}
