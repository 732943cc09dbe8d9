import type { Inspect } from '../control-plane/packages/review.ts';
import { compileInputs } from '../gateway/input-validation/compile.ts';

/** Tools whose schema the gateway cannot compile, found before anything is written or started. */
export const unservable: Inspect = (server, tools, settings) =>
  compileInputs([{ pins: { name: server, tools }, tools: settings }]).refused.map(({ error }) => {
    const { tool, message, pointer } = error;
    const own = Object.hasOwn(settings, tool) && settings[tool]?.open_schema?.includes(pointer);
    const mend = own
      ? `take ${pointer} out of servers.${server}.tools.${tool}.open_schema`
      : 'take another version of the server, or have its author mend that schema';
    return { tool, message, mend };
  });
