import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';

const text = (name: string): string => readFileSync(join(import.meta.dirname, `${name}.lua`), 'utf8');
const clock = text('clock');

const NAMES = ['take', 'settle', 'observe', 'tick', 'fill'] as const;
export type ScriptName = (typeof NAMES)[number];
export type Reply = readonly (string | number)[];

/** Runs a script by its digest: its text goes over the wire once, and again where the server has lost it. */
export type Run = (name: ScriptName, keys: readonly string[], ...args: readonly (string | number)[]) => Promise<Reply>;

export function scripts(redis: Redis): Run {
  for (const name of NAMES) redis.defineCommand(commandOf(name), { lua: `${clock}\n${text(name)}` });
  // What `defineCommand` adds is not in the library's types.
  const commands = redis as unknown as Record<string, (...args: readonly (string | number)[]) => Promise<Reply>>;
  return async (name, keys, ...args) => {
    const reply = await commands[commandOf(name)]?.(keys.length, ...keys, ...args);
    return Array.isArray(reply) ? reply : [String(reply)];
  };
}

function commandOf(name: ScriptName): string {
  return `innerkeep${name}`;
}
