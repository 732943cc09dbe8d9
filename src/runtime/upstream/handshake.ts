import { isObject, type JsonObject } from '../../contract/json.ts';
import { parseStrict } from '../../contract/strict-json.ts';
import { withPatience } from './patience.ts';
import { CLIENT_INFO } from './request.ts';
import { type RpcAnswer, UpstreamFailure } from './upstream.ts';

/** Up to 2025-11-25 a connection begins with `initialize`; from 2026-07-28 on each request carries its own envelope. */
export type Era = 'legacy' | 'modern';

/** One conversation with a server. `modern` requests are sent with the `_meta` envelope. */
export interface Channel {
  request(method: string, params: Uint8Array, era: Era): Promise<RpcAnswer>;
  notify(method: string, version: string): Promise<void>;
}

export interface Handshake {
  readonly era: Era;
  readonly version: string;
  /** Raw JSON of the `result` of `initialize` or `server/discover`. */
  readonly raw: string;
  readonly capabilities: JsonObject;
}

const LEGACY_VERSIONS = new Set(['2024-11-05', '2025-03-26', '2025-06-18', '2025-11-25']);
const MODERN_VERSION = '2026-07-28';
/** All that a client of 2025-11-25 can do: a server may be greeted before it is known whose call it will serve. */
const CAPABILITIES = '{"elicitation":{"form":{},"url":{}},"sampling":{"context":{},"tools":{}},"roots":{}}';
const INITIALIZE = Buffer.from(
  `{"protocolVersion":"2025-11-25","capabilities":${CAPABILITIES},"clientInfo":${CLIENT_INFO}}`,
);
const NO_PARAMS = Buffer.from('{}');

/**
 * Opens a conversation: `initialize`, and where the server refuses it, `server/discover`.
 * @param known the era that this server was found to speak before
 * @throws UpstreamFailure
 */
export async function shakeHands(channel: Channel, known: Era | undefined): Promise<Handshake> {
  if (known === 'modern') return discover(channel, '');
  const answer = await channel.request('initialize', INITIALIZE, 'legacy');
  if (answer.kind === 'error') return discover(channel, `initialize: ${answer.raw.slice(0, 512)}; `);
  const result = objectOf(answer.raw);
  const version = result.protocolVersion;
  if (typeof version !== 'string' || !LEGACY_VERSIONS.has(version))
    throw new UpstreamFailure(
      'upstream',
      `initialize was answered with an unknown revision: ${JSON.stringify(version)}`,
    );
  await channel.notify('notifications/initialized', version);
  return { era: 'legacy', version, raw: answer.raw, capabilities: capabilitiesOf(result) };
}

/**
 * Opens a conversation with a server whose era is not known: `server/discover`, and where the server refuses it,
 * `initialize`. A server of both eras is spoken to in the newer one.
 * @throws UpstreamFailure
 */
export async function probe(channel: Channel): Promise<Handshake> {
  return openBy(channel, await channel.request('server/discover', NO_PARAMS, 'modern'));
}

/**
 * As `probe`, for a server that may also ignore what comes before `initialize`, or be slow. One that has not answered
 * within `patience` milliseconds is sent `initialize` too, and what it answers first tells its era; that conversation
 * is then spoiled, and only the era returned.
 * @throws UpstreamFailure
 */
export async function probeWithPatience(channel: Channel, patience: number): Promise<Handshake | Era> {
  const discovering = channel.request('server/discover', NO_PARAMS, 'modern');
  const answer = await withPatience(discovering, patience);
  if (answer !== undefined) return openBy(channel, answer);
  const late = discovering.then(({ kind }): Era => (kind === 'result' ? 'modern' : 'legacy'));
  return Promise.race([late, channel.request('initialize', INITIALIZE, 'legacy').then((): Era => 'legacy')]);
}

/** @param answer to `server/discover` */
async function openBy(channel: Channel, answer: RpcAnswer): Promise<Handshake> {
  return answer.kind === 'error' ? shakeHands(channel, 'legacy') : discovered(answer.raw);
}

async function discover(channel: Channel, before: string): Promise<Handshake> {
  const answer = await channel.request('server/discover', NO_PARAMS, 'modern');
  if (answer.kind === 'error')
    throw new UpstreamFailure('upstream', `${before}server/discover: ${answer.raw.slice(0, 512)}`);
  return discovered(answer.raw);
}

function discovered(raw: string): Handshake {
  const result = objectOf(raw);
  const versions = result.supportedVersions;
  if (!Array.isArray(versions) || !versions.includes(MODERN_VERSION))
    throw new UpstreamFailure(
      'upstream',
      `server/discover does not offer ${MODERN_VERSION}: ${JSON.stringify(versions)}`,
    );
  return { era: 'modern', version: MODERN_VERSION, raw, capabilities: capabilitiesOf(result) };
}

/** The raw text has passed `parseStrict` as a part of its message. */
export function objectOf(raw: string): JsonObject {
  const { value } = parseStrict(Buffer.from(raw));
  if (!isObject(value)) throw new UpstreamFailure('upstream', 'a result that is not an object');
  return value;
}

function capabilitiesOf(result: JsonObject): JsonObject {
  const capabilities = result.capabilities;
  if (!isObject(capabilities)) throw new UpstreamFailure('upstream', 'a handshake without capabilities');
  return capabilities;
}
