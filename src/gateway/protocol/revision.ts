import { isObject, type Json, type JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Revision } from '../../contract/tool-call.ts';
import { decodeHeader, withoutSpace } from './headers.ts';
import { mirroredMember } from './methods.ts';

export const MODERN = '2026-07-28';
/** The newest first: what `initialize` falls back to. */
const LEGACY = ['2025-11-25', '2025-06-18', '2025-03-26'] as const;
export const SUPPORTED = [MODERN, ...LEGACY] as const;

const VERSION_KEY = 'io.modelcontextprotocol/protocolVersion';
const CAPABILITIES_KEY = 'io.modelcontextprotocol/clientCapabilities';

type Headers = Readonly<Record<string, string | undefined>>;

export interface Message {
  readonly method: string;
  readonly params: JsonObject | undefined;
  readonly isRequest: boolean;
}

/**
 * The revision that a message is written in. 2026-07-28 says so in the body, and its headers must agree; older ones
 * say so in the header, and its absence means what the session has agreed on, or else 2025-03-26; `initialize` brings
 * its own wish.
 * @param agreed what the `initialize` of the message's session has agreed on
 * @throws Refusal missing-envelope, header-mismatch, unsupported-version, protocol-version
 */
export function revisionOf(message: Message, headers: Headers, agreed?: Revision): Revision {
  const header = headers['mcp-protocol-version'] && withoutSpace(headers['mcp-protocol-version']);
  const meta = isObject(message.params?._meta) ? message.params._meta : {};
  if (Object.hasOwn(meta, VERSION_KEY)) return modernRevision(message, meta, header, headers);
  if (header === MODERN) return withoutEnvelope(message, headers);
  const known = header === undefined ? (agreed ?? LEGACY[2]) : LEGACY.find((revision) => revision === header);
  if (known === undefined) throw new Refusal('protocol-version', `MCP-Protocol-Version: ${header}`);
  return message.method === 'initialize' ? negotiated(message.params?.protocolVersion) : known;
}

/** The client's version where we speak it, else our newest one that has a handshake (MCP 2025-11-25, Lifecycle). */
function negotiated(wish: Json | undefined): Revision {
  return LEGACY.find((revision) => revision === wish) ?? LEGACY[0];
}

function modernRevision(message: Message, meta: JsonObject, header: string | undefined, headers: Headers): Revision {
  const claim = meta[VERSION_KEY];
  if (typeof claim !== 'string') throw new Refusal('missing-envelope', `_meta ${VERSION_KEY} is no string`);
  if (header !== undefined && header !== claim) {
    throw new Refusal('header-mismatch', `MCP-Protocol-Version ${header}, _meta ${claim}`);
  }
  if (claim !== MODERN) {
    throw new Refusal('unsupported-version', claim, { supported: SUPPORTED, requested: claim });
  }
  if (message.isRequest) {
    if (!isObject(meta[CAPABILITIES_KEY])) throw new Refusal('missing-envelope', `_meta ${CAPABILITIES_KEY}`);
    if (header === undefined) throw new Refusal('header-mismatch', 'MCP-Protocol-Version is missing');
  }
  checkMirrors(message, headers);
  return MODERN;
}

function withoutEnvelope(message: Message, headers: Headers): Revision {
  if (message.method === 'initialize') throw new Refusal('header-mismatch', `initialize under ${MODERN}`);
  if (message.isRequest) throw new Refusal('missing-envelope', `no _meta ${VERSION_KEY}`);
  checkMirrors(message, headers);
  return MODERN;
}

/** `Mcp-Method` and `Mcp-Name` must say what the body says, so that nobody before us judged another call. */
function checkMirrors({ method, params, isRequest }: Message, headers: Headers): void {
  const mirror = headers['mcp-method'] && withoutSpace(headers['mcp-method']);
  if (mirror === undefined ? isRequest : mirror !== method) {
    throw new Refusal('header-mismatch', `Mcp-Method ${mirror}, body ${method}`);
  }
  const member = mirroredMember(method);
  if (!isRequest || member === undefined) return;
  const name = headers['mcp-name'] === undefined ? undefined : decodeHeader(headers['mcp-name']);
  if (name !== params?.[member]) throw new Refusal('header-mismatch', `Mcp-Name ${name}, body ${params?.[member]}`);
}
