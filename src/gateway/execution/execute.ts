import { type Admitted, Executed } from '../../contract/tool-call.ts';
import type { RuntimeLink } from './runtime-link.ts';

/** The stage that has the call run in zone 2: what was authorised goes there byte for byte. */
export function executeStage(link: RuntimeLink): (call: Admitted) => Promise<Executed> {
  return async (call) => {
    const { server, method } = call.target;
    const result = await link.call({ server, method, subject: call.subject.key }, call.params.raw, call.arrived.signal);
    return new Executed(call, result);
  };
}
