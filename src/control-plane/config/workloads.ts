import { z } from 'zod';

/** Hosts to which a connection without TLS never leaves this machine. */
const LOOPBACK = /^(localhost|127(\.\d+){3}|\[::1\])$/;

/** Where the state lies that gateways share. */
export const stateStore = z
  .string()
  .refine(isStore, '`memory`, rediss://HOST, or redis:// to a loopback address: who can alter the answers undoes it')
  .default('memory')
  .describe('What gateways must agree on (proofs that were used): `memory` of the one gateway, or `rediss://…`.');

export const dpop = z
  .strictObject({
    nonce: z
      .boolean()
      .default(true)
      .describe("Whether proofs must carry a nonce of the gateway's; a client is told it by the first 401."),
  })
  .prefault({})
  .describe('Key-bound tokens (RFC 9449); always accepted, and never without their proof.');

function isStore(text: string): boolean {
  if (text === 'memory') return true;
  if (!URL.canParse(text)) return false;
  const { protocol, hostname } = new URL(text);
  return hostname !== '' && (protocol === 'rediss:' || (protocol === 'redis:' && LOOPBACK.test(hostname)));
}
