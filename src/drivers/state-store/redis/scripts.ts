import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { StateUnavailable } from '../../../contract/state-store.ts';

const text = (name: string): string => readFileSync(join(import.meta.dirname, `${name}.lua`), 'utf8');
const clock = text('clock');

const names = ['take', 'settle', 'observe', 'tick', 'once', 'begin', 'restore', 'reopen', 'repay'] as const;
export type ScriptName = (typeof names)[number];
export type Reply = readonly (string | number)[];

/**
 * Runs a script by its digest: its text goes over the wire once, and again where the server has lost it.
 * @throws StateUnavailable where the answer is to something else: an answer too many would give each call that of another
 */
export type Run = (name: ScriptName, keys: readonly string[], ...args: readonly (string | number)[]) => Promise<Reply>;

/** Each script gives back, behind its answer, the tag that it was asked with. */
const tagged = (script: string): string => `${clock}
local tag = table.remove(ARGV)
local function script()
${script}
end
local reply = script()
reply[#reply + 1] = tag
return reply`;

/** @param anew closes the connection and opens another */
export function scripts(redis: Redis, anew: () => void): Run {
  for (const name of names) redis.defineCommand(commandOf(name), { lua: tagged(text(name)) });
  // What `defineCommand` adds is not in the library's types.
  const commands = redis as unknown as Record<string, (...args: readonly (string | number)[]) => Promise<unknown>>;
  let asked = 0;
  return async (name, keys, ...args) => {
    const tag = String(++asked);
    const reply = await commands[commandOf(name)]?.(keys.length, ...keys, ...args, tag);
    if (Array.isArray(reply) && reply.pop() === tag) return reply;
    anew();
    throw new StateUnavailable('the store answered something that it was not asked');
  };
}

function commandOf(name: ScriptName): string {
  return `innerkeep${name}`;
}
