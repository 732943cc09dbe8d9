import { isObject, type Json } from '../../contract/json.ts';
import type { RpcAnswer } from '../../contract/upstream.ts';

/** How long the server itself works: it stands still while its client is waited for. */
export class Stopwatch {
  readonly #steady: () => number;
  #since: number;
  #before = 0;
  #isWaiting = false;

  /** Runs from now on. @param steady milliseconds since whenever */
  constructor(steady: () => number = () => performance.now()) {
    this.#steady = steady;
    this.#since = steady();
  }

  pause(waiting: boolean): void {
    if (waiting === this.#isWaiting) return;
    this.#before = this.ms;
    this.#since = this.#steady();
    this.#isWaiting = waiting;
  }

  get ms(): number {
    return this.#before + (this.#isWaiting ? 0 : this.#steady() - this.#since);
  }
}

/**
 * JSON-RPC 2.0 §5.1 and MCP: the request was not understood, its method or params are not known, the resource is not there,
 * the client lacks a capability, or must lead a person to an address. All of that is told to who asked, and about what he asked.
 */
const ASKED_WRONG: ReadonlySet<Json | undefined> = new Set([-32700, -32600, -32601, -32602, -32002, -32021, -32042]);

/** Whether an answer says that the server has failed. @param raw has passed `parseStrict` */
export function isFault({ kind, raw }: RpcAnswer): boolean {
  if (kind === 'result') return false;
  const error: Json = JSON.parse(raw);
  return !ASKED_WRONG.has(isObject(error) ? error.code : undefined);
}
