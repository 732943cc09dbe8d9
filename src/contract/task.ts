import type { Answer } from './answer.ts';
import type { Caller } from './caller.ts';
import { isObject, type Json } from './json.ts';
import type { Sanitized } from './tool-call.ts';

/** The extension by which clients and servers of 2026-07-28 say that they know tasks. */
export const TASKS_EXTENSION = 'io.modelcontextprotocol/tasks';

/** What a client must declare that is to be told of tasks, as an error names it. */
export const TASKS_REQUIRED = { requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } } } as const;

/** Raw JSON: the capabilities of a call that can be a task, and in which nobody can be asked. */
export const TASKS_ALONE = JSON.stringify(TASKS_REQUIRED.requiredCapabilities);

/** Whether a client of 2026-07-28 has declared the extension, in the request's own capabilities. */
export function declaresTasks(capabilities: Json | undefined): boolean {
  const extensions = isObject(capabilities) ? capabilities.extensions : undefined;
  return isObject(extensions) && Object.hasOwn(extensions, TASKS_EXTENSION) && isObject(extensions[TASKS_EXTENSION]);
}

/** A call that goes on behind its answer, or may yet do so. */
export interface Begun {
  /** The answer once the call goes on behind it; of a call that never does, it is never there. */
  readonly answer: Promise<Answer>;
  /** The call goes on behind its answer: what becomes of it is kept, and answers nobody. */
  readonly isBehind: boolean;
  /** Stands for the client from now on. */
  readonly caller: Caller;
  /** Keeps the result, which nobody gets yet. @throws Refusal where there is no room for it, or nobody wants it */
  keep(call: Sanitized): void;
  /** What was kept may be given. */
  complete(): void;
  fail(answer: Answer): void;
}

/** What a request is answered with that is about an earlier call. */
export interface AboutEarlier {
  readonly answer: Answer;
  /** Of that call; undefined: it is about all of the tasks. */
  readonly action: string | undefined;
}
