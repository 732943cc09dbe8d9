import { isObject } from '../../../contract/json.ts';
import { type Channel, type Era, objectOf, probe, shakeHands } from '../handshake.ts';
import { type RpcAnswer, UpstreamFailure } from '../upstream.ts';
import { encodeLegacy, encodeModern } from './encode.ts';
import { Exchange } from './exchange.ts';
import { HttpFailure } from './failures.ts';
import { headersOf } from './headers.ts';
import { SessionStream } from './session-stream.ts';
import type { Session } from './sessions.ts';
import type { Wire } from './wire.ts';

/** Milliseconds for each request of a handshake. */
const HANDSHAKE = 10_000;
const MODERN = '2026-07-28';
const UNSUPPORTED_VERSION = -32022;
/** Errors that only a server of 2026-07-28 or newer gives: header mismatch, missing capability. */
const MODERN_ERRORS: ReadonlySet<unknown> = new Set([-32020, -32021]);
/** Statuses of which the reason lies elsewhere than in the era of the request. */
const NO_ERA: ReadonlySet<number> = new Set([401, 403, 407, 408, 429]);

/**
 * Opens a conversation. Where the era is not known, `server/discover` is asked first: an older server answers it with a
 * 400 or the like (MCP 2026-07-28, Versioning), or without the versions that it would have to name.
 * @throws UpstreamFailure
 */
export async function openSession(wire: Wire, known: Era | undefined): Promise<Session> {
  let id: string | undefined;

  async function ask(method: string, params: Uint8Array, era: Era): Promise<RpcAnswer> {
    const modern = era === 'modern';
    const requestId = wire.nextId();
    const own = { method, params, capabilities: '{}', logLevel: undefined, headers: [] };
    const { body, headers } = modern
      ? encodeModern(requestId, own, headersOf(MODERN, undefined))
      : { body: encodeLegacy(requestId, method, params), headers: headersOf(undefined, undefined) };
    const asking = { id: requestId, headers, body, deadline: HANDSHAKE, modern, call: undefined, signal: undefined };
    return new Promise((resolve, reject) => {
      const opened = (answer: RpcAnswer): void => {
        if (exchange.session instanceof UpstreamFailure) reject(exchange.session);
        else {
          if (method === 'initialize') id = exchange.session;
          resolve(answer);
        }
      };
      const exchange = new Exchange(wire, asking, opened, reject);
      exchange.start();
    });
  }

  const channel: Channel = {
    request: async (method, params, era) => {
      try {
        const answer = await ask(method, params, era);
        if (era === 'legacy') return answer;
        return namesVersions(answer) ? answer : await again(answer, () => ask(method, params, era));
      } catch (error) {
        if (error instanceof HttpFailure && speaksOfEra(error.status))
          return { kind: 'error', raw: JSON.stringify(error.detail) };
        throw error;
      }
    },
    notify: (method, version) => wire.side.send(headersOf(version, id), `{"jsonrpc":"2.0","method":"${method}"}`),
  };

  const handshake = known === undefined ? await probe(channel) : await shakeHands(channel, known);
  const headers = headersOf(handshake.version, id);
  const stream = handshake.era === 'legacy' && id !== undefined ? new SessionStream(wire, headers) : undefined;
  return { handshake, id, headers, stream, subscribed: new Map(), users: 0 };
}

function speaksOfEra(status: number): boolean {
  return status >= 400 && status <= 501 && !NO_ERA.has(status);
}

/** Every server of 2026-07-28 names the versions that it supports; what gives another result does not know the method. */
function namesVersions({ kind, raw }: RpcAnswer): boolean {
  return kind === 'result' && 'supportedVersions' in objectOf(raw);
}

/** A server that has refused the revision which it offers is asked once more, and never taken for an older one. */
async function again(answer: RpcAnswer, ask: () => Promise<RpcAnswer>): Promise<RpcAnswer> {
  if (answer.kind === 'result') return { kind: 'error', raw: '"server/discover names no versions"' };
  const { code, data } = objectOf(answer.raw);
  if (MODERN_ERRORS.has(code)) throw refused(answer);
  const offered = isObject(data) ? data.supported : undefined;
  if (code !== UNSUPPORTED_VERSION || !Array.isArray(offered) || !offered.includes(MODERN)) return answer;
  const second = await ask();
  if (!namesVersions(second)) throw refused(second);
  return second;
}

function refused({ raw }: RpcAnswer): UpstreamFailure {
  return new UpstreamFailure('upstream', `server/discover: ${raw.slice(0, 512)}`);
}
