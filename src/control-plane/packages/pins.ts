import { createHash } from 'node:crypto';
import type { PinnedDescriptor, PinnedServer } from '../../contract/descriptors.ts';
import { isObject, type Json, type JsonObject } from '../../contract/json.ts';
import type { LiveDescriptors } from '../../contract/runtime-link.ts';
import { parseStrict } from '../../contract/strict-json.ts';
import { SafetyError } from '../config/problem.ts';

/** What a server says of itself, without the name that the operator gives it. */
export type Pins = Omit<PinnedServer, 'name'>;

/** SHA-256 of the raw text, as `sha256-BASE64`. */
export function descriptorDigest(raw: string): string {
  return `sha256-${createHash('sha256').update(raw).digest('base64')}`;
}

/**
 * Pins of what a server says now.
 * @throws SafetyError when it says what cannot be pinned: no names, one name twice, JSON that two readers read differently
 */
export function pinsOf(live: LiveDescriptors): Pins {
  const handshake = parsed(live.handshake, 'handshake');
  const { protocolVersion, supportedVersions, capabilities, instructions } = handshake;
  const versions = Array.isArray(supportedVersions)
    ? supportedVersions.filter((version) => typeof version === 'string').sort()
    : [];
  const version = typeof protocolVersion === 'string' ? protocolVersion : versions.at(-1);
  if (version === undefined) throw new SafetyError('the server names no protocol version');
  return {
    protocolVersion: version,
    capabilities: isObject(capabilities) ? capabilities : {},
    serverInfo: serverInfoOf(handshake),
    ...(typeof instructions === 'string' ? { instructions } : {}),
    tools: unique(
      live.tools.map((raw) => pin(raw, 'tool', NAME)),
      'tool',
    ),
    prompts: unique(
      live.prompts.map((raw) => pin(raw, 'prompt', NAME)),
      'prompt',
    ),
    resourceTemplates: live.resourceTemplates.map((raw) => pin(raw, 'resource template', TITLE)),
  };
}

/** 2026-07-28 has it in `_meta`; every client of an older revision insists on a name and a version. */
function serverInfoOf({ serverInfo, _meta: meta }: JsonObject): JsonObject {
  const modern = isObject(meta) ? meta['io.modelcontextprotocol/serverInfo'] : undefined;
  const said = isObject(serverInfo) ? serverInfo : isObject(modern) ? modern : {};
  return {
    ...said,
    name: typeof said.name === 'string' ? said.name : 'unnamed',
    version: typeof said.version === 'string' ? said.version : '0',
  };
}

export function parsed(raw: string, what: string): JsonObject {
  let value: Json;
  try {
    value = parseStrict(new TextEncoder().encode(raw)).value;
  } catch (error) {
    throw new SafetyError(`the server's ${what} is not strict JSON: ${error instanceof Error ? error.message : error}`);
  }
  if (!isObject(value)) throw new SafetyError(`the server's ${what} is not an object`);
  return value;
}

/** Tool names: MCP 2025-11-25, server/tools. Anything else could pass itself off as another in a list, policy or log. */
const NAME = /^[A-Za-z0-9_./-]{1,128}$/;
const TITLE = /^[^\p{Cc}\p{Cf}\p{Cs}\p{Co}]{1,256}$/u;

function pin(raw: string, kind: string, form: RegExp): PinnedDescriptor {
  const { name } = parsed(raw, kind);
  if (typeof name !== 'string' || !form.test(name))
    throw new SafetyError(`a ${kind} of the server has no acceptable name: ${JSON.stringify(name)?.slice(0, 200)}`);
  return { name, raw, digest: descriptorDigest(raw) };
}

function unique(pins: readonly PinnedDescriptor[], kind: string): readonly PinnedDescriptor[] {
  const seen = new Set<string>();
  for (const { name } of pins) {
    if (seen.has(name)) throw new SafetyError(`the server has two of one ${kind}: ${name}`);
    seen.add(name);
  }
  return pins;
}
