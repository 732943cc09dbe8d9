import type { GatewayServer } from '../../contract/bundle.ts';
import type { PinnedDescriptor, PinnedServer } from '../../contract/descriptors.ts';
import { isObject, type JsonObject } from '../../contract/json.ts';
import { findMember, readObject, splice } from '../../contract/splice.ts';
import { parseStrict } from '../../contract/strict-json.ts';
import { type MirroredArgument, mirroredArguments } from './mirrored-arguments.ts';
import { type TaskSupport, taskSupport } from './task-wish.ts';

/** A pinned descriptor as `/mcp/SERVER` shows it, and as `/mcp` does, where it bears its server's name. */
export interface Entry {
  readonly server: string;
  readonly pin: PinnedDescriptor;
  /** `SERVER__NAME` for tools and prompts. */
  readonly publicName: string;
  /** Raw JSON; but for the name it is the server's own, byte for byte. */
  readonly publicRaw: string;
  /** The policy's name for the use of it. */
  readonly action: string;
  /** What a client of 2026-07-28 repeats of a tool's arguments in `Mcp-Param-*`. */
  readonly mirrored: readonly MirroredArgument[];
  /** What it says of calls that are tasks. */
  readonly tasks: TaskSupport;
}

export interface CataloguedServer {
  readonly pins: PinnedServer;
  readonly tools: readonly Entry[];
  readonly prompts: readonly Entry[];
  readonly templates: readonly Entry[];
}

export interface Catalogue {
  /** In the order of their names. */
  readonly servers: ReadonlyMap<string, CataloguedServer>;
  /** Finds by the name that is used on `/mcp` (no `server` given) or on `/mcp/SERVER`. */
  readonly tool: (server: string | undefined, name: string) => Entry | undefined;
  readonly prompt: (server: string | undefined, name: string) => Entry | undefined;
  /** Tools that are nowhere shown and cannot be called; for the operator. */
  readonly leftOut: readonly { readonly server: string; readonly tool: string; readonly why: string }[];
}

/**
 * Builds all that is ever shown of the pins, once for each bundle. The order is that of the servers' names, then the
 * pins' own.
 * @throws Error where a pin is not the descriptor that it says it is, or a name occurs twice
 */
export function createCatalogue(bundle: readonly GatewayServer[]): Catalogue {
  const servers = new Map<string, CataloguedServer>();
  const leftOut: Catalogue['leftOut'][number][] = [];
  for (const { pins } of bundle.toSorted((a, b) => (a.pins.name < b.pins.name ? -1 : 1))) {
    if (servers.has(pins.name)) throw new Error(`server ${pins.name} occurs twice`);
    const { server, faults } = catalogued(pins);
    servers.set(pins.name, server);
    leftOut.push(...faults);
  }
  const all = [...servers.values()];
  return {
    servers,
    tool: finder(all.flatMap(({ tools }) => tools)),
    prompt: finder(all.flatMap(({ prompts }) => prompts)),
    leftOut,
  };
}

function catalogued(pins: PinnedServer) {
  const { name } = pins;
  const tools: Entry[] = [];
  const faults: Catalogue['leftOut'][number][] = [];
  for (const pin of pins.tools) {
    const tool = entry(name, pin, 'name', `${name}__`, `${name}/${pin.name}`);
    // One bad tool does not take the others with it.
    const support = taskSupport(pin.raw, pins.protocolVersion);
    const mirrored = marksOf(tool);
    if (typeof mirrored === 'string') faults.push({ server: name, tool: pin.name, why: mirrored });
    else tools.push({ ...tool, mirrored, tasks: support });
  }
  const prompts = pins.prompts.map((pin) => entry(name, pin, 'name', `${name}__`, actionOf(name, 'prompts/get')));
  const templates = pins.resourceTemplates.map((pin) =>
    entry(name, pin, 'uriTemplate', `${name}+`, actionOf(name, 'resources/read')),
  );
  return { server: { pins, tools, prompts, templates }, faults };
}

/** What of a tool's arguments is repeated in headers; a text: what is wrong with its marks. */
function marksOf({ pin }: Entry): readonly MirroredArgument[] | string {
  const { inputSchema }: JsonObject = JSON.parse(pin.raw);
  if (!isObject(inputSchema)) return [];
  try {
    return mirroredArguments(inputSchema);
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** The policy's name for a method of a server: `files#resources/read`. */
export function actionOf(server: string, method: string): string {
  return `${server}#${method}`;
}

function entry(server: string, pin: PinnedDescriptor, member: string, prefix: string, action: string): Entry {
  const descriptor = parseStrict(new TextEncoder().encode(pin.raw)).value;
  const names = isObject(descriptor) ? [descriptor.name, descriptor[member]] : [];
  if (!isObject(descriptor) || typeof descriptor[member] !== 'string' || !names.includes(pin.name)) {
    throw new Error(`a pin of ${server} is not the descriptor of ${JSON.stringify(pin.name)}`);
  }
  return {
    server,
    pin,
    publicName: prefix + pin.name,
    publicRaw: prefixMember(pin.raw, member, prefix),
    action,
    mirrored: [],
    tasks: 'forbidden',
  };
}

/** Puts an ASCII prefix into a member's string; every other byte stays. */
function prefixMember(raw: string, key: string, prefix: string): string {
  const member = findMember(readObject(raw).members, key);
  if (member === undefined) return raw;
  return splice(raw, [{ start: member.start + 1, end: member.start + 1, text: prefix }]);
}

function finder(entries: readonly Entry[]): Catalogue['tool'] {
  // Two steps: tool names have slashes, and the path that names a server is the caller's.
  const own = new Map<string, Map<string, Entry>>();
  const aggregate = new Map<string, Entry>();
  for (const entry of entries) {
    const { server, pin } = entry;
    const names = own.get(server) ?? new Map<string, Entry>();
    if (names.has(pin.name)) throw new Error(`${server}/${pin.name} occurs twice`);
    own.set(server, names.set(pin.name, entry));
    // No server name has an underscore, so that no public name can be read in two ways.
    aggregate.set(entry.publicName, entry);
  }
  return (server, name) => (server === undefined ? aggregate.get(name) : own.get(server)?.get(name));
}
