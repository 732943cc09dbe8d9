import type { Attendance, Caller } from '../../contract/caller.ts';
import { isObject, type JsonObject } from '../../contract/json.ts';
import type { Framed } from '../../contract/tool-call.ts';
import { levelOf } from './levels.ts';

const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities';
const LOG_LEVEL = 'io.modelcontextprotocol/logLevel';

/** A request that says all about its client itself (MCP 2026-07-28, `_meta`). @throws Refusal params for an unknown level */
export function modernCaller(call: Framed): Attendance {
  const meta = call.frame.params?._meta;
  const said: JsonObject = isObject(meta) ? meta : {};
  const capabilities = said[CAPABILITIES];
  const level = said[LOG_LEVEL];
  return attend(call, isObject(capabilities) ? capabilities : {}, level === undefined ? undefined : levelOf(level));
}

/** A request of an older client that keeps no session: nothing that was said before is known. */
export function statelessCaller(call: Framed): Attendance {
  return attend(call, {}, undefined);
}

function attend({ arrived }: Framed, capabilities: JsonObject, logLevel: string | undefined): Attendance {
  const { events } = arrived;
  const caller: Caller = {
    capabilities,
    logLevel,
    // Made only where somebody asks for it.
    get signal() {
      return arrived.signal;
    },
    notify: (message) => {
      events.send({ data: message });
    },
    ask: undefined,
    session: undefined,
  };
  return {
    caller,
    answered: (body) => {
      if (events.state === 'open') events.send({ data: body });
    },
  };
}
