import assert from 'node:assert/strict';
import type { Caller } from '../../src/contract/caller.ts';
import { Refusal, type RefusalCode } from '../../src/contract/refusal.ts';
import {
  Admitted,
  Authorized,
  Confirmed,
  Known,
  Limited,
  type Sanitized,
  Validated,
} from '../../src/contract/tool-call.ts';
import type { TaskLimits } from '../../src/gateway/tasks/limits.ts';
import type { Task } from '../../src/gateway/tasks/task.ts';
import { Tasks } from '../../src/gateway/tasks/tasks.ts';
import { framed, TestClock, type Wish } from '../sessions/support.ts';

export type Making = Wish & {
  readonly ttl?: number;
  readonly padding?: number;
  /** It may become a task, and is none yet. */
  readonly late?: boolean;
};

export const TASKS = { extensions: { 'io.modelcontextprotocol/tasks': {} } } as const;

/** The room alone: `permits` is what policy says now. */
export function openTasks(limits: Partial<TaskLimits> = {}) {
  const clock = new TestClock();
  const tasks = new Tasks({ clock, limits });
  const world = { permits: (_id: string, _action: string): boolean => true };
  tasks.judgeBy(({ id }, _server, action) => world.permits(id, action));
  const begin = (wish: Making = {}, caller = someone()): Task => {
    const { call } = framed({ id: '1', method: 'tools/call', params: { name: 'tool' } }, wish);
    const target = {
      server: 'srv',
      method: 'tools/call',
      action: 'srv/tool',
      pin: undefined,
      params: {},
      paramsRaw: '{}',
      headers: [],
      ...(!wish.late && { task: { ttl: wish.ttl, atServer: false } }),
    } as const;
    const valid = new Validated(new Known(call, target), { arguments: {}, raw: ' '.repeat(wish.padding ?? 2) });
    const task = tasks.begin(
      new Admitted(
        new Limited(
          new Confirmed(new Authorized(valid, { allow: true, policies: [], detail: '' }), undefined),
          undefined,
        ),
      ),
      caller,
    );
    assert.ok(task !== undefined);
    return task;
  };
  const ask = async (method: string, taskId?: unknown, wish: Wish = {}, caller = someone(), more: object = {}) => {
    const params = taskId === undefined ? {} : { taskId, ...more };
    const { answer } = await tasks.answer(framed({ id: '2', method, params }, wish).call, caller);
    return { kind: answer.kind, ...JSON.parse(answer.raw) };
  };
  return { clock, tasks, world, begin, ask };
}

export function someone(more: Partial<Caller> = {}): Caller {
  return {
    capabilities: {},
    logLevel: undefined,
    signal: new AbortController().signal,
    notify: () => {},
    ask: undefined,
    session: undefined,
    ...more,
  };
}

/** A session, and what was said in it. */
export function someSession() {
  const said: string[] = [];
  return {
    said,
    key: 'a session',
    ended: new AbortController().signal,
    notify: (message: string) => void said.push(message),
  };
}

export const done = (text = 'done', more: object = {}): Pick<Sanitized, 'result'> => ({
  result: JSON.stringify({ content: [{ type: 'text', text }], ...more }),
});

export function finish(task: Task, result = done()): void {
  task.keep(result);
  task.complete();
}

export function refused(code: RefusalCode) {
  return (error: unknown) => error instanceof Refusal && error.code === code;
}
