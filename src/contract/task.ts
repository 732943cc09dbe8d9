import type { Answer } from './answer.ts';
import type { Caller } from './caller.ts';
import type { Sanitized } from './tool-call.ts';

/** A call that goes on behind its answer. */
export interface Begun {
  readonly answer: Answer;
  /** Stands for the client from now on. */
  readonly caller: Caller;
  /** Keeps the result, which nobody gets yet. @throws Refusal where there is no room for it, or nobody wants it */
  keep(call: Sanitized): void;
  /** What was kept may be given. */
  complete(): void;
  fail(answer: Answer): void;
}

export interface AboutTask {
  readonly answer: Answer;
  /** Of the call that became the task; undefined: it is about all of them. */
  readonly action: string | undefined;
}
