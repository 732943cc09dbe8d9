import type { Inspect } from '../control-plane/packages/review.ts';
import { compileInputs } from '../gateway/input-validation/compile.ts';

/** Tools whose schema the gateway cannot compile, found before anything is written or started. */
export const unservable: Inspect = (server, tools, settings) =>
  compileInputs([{ pins: { name: server, tools }, tools: settings }]).refused.map(({ error }) => {
    const { tool, message, pointer } = error;
    const own = Object.hasOwn(settings, tool) ? settings[tool] : undefined;
    const key = (['open_schema', 'code'] as const).find((name) => own?.[name]?.includes(pointer));
    const mend = key
      ? `take ${pointer} out of servers.${server}.tools.${tool}.${key}`
      : 'take another version of the server, or have its author mend that schema';
    return { tool, message, mend };
  });
