import { Arrived, type ArrivedRequest } from '../../contract/tool-call.ts';

/** A request that has come to this gateway: to its edge, or to another one's that has carried it here. */
export function arrived(request: ArrivedRequest): Arrived {
  return new Arrived(request);
}
