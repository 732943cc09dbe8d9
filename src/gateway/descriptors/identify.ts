import { isObject, type Json, type JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import { AUTHORIZE_INPUT, STEP_UP_INPUT } from '../../contract/step-up.ts';
import { type Frame, type Framed, Known, type Target } from '../../contract/tool-call.ts';
import { actionOf, type Catalogue } from './catalogue.ts';
import { decodeCursor } from './cursor.ts';
import { ownParams } from './own-params.ts';
import { paramHeaders } from './param-headers.ts';
import { taskWish } from './task-wish.ts';
import type { Visibility, Visible } from './visibility.ts';

export interface IdentifyDeps {
  readonly catalogue: Catalogue;
  readonly visibility: Visibility;
  readonly visible: Visible;
  /** Is told what is there and not shown to its subject. */
  readonly unseen?: (call: Framed, action: string) => void;
  /** Reads a header value that may be base64 (MCP 2026-07-28). @throws Refusal header-mismatch */
  readonly decodeHeader: (value: string) => string;
}

/**
 * Finds what a call is aimed at, and puts its params into the server's own names.
 * @throws Refusal unknown or unknown-resource, alike for what is not there and what the subject may not see;
 * params; header-mismatch; unknown-method for a task where the tool has none
 */
export function identifyStage(deps: IdentifyDeps): (call: Framed) => Promise<Known> {
  return async (call) => new Known(call, await target(call, deps));
}

async function isSeen(call: Framed, action: string, { visible, unseen }: IdentifyDeps): Promise<boolean> {
  const seen = await visible(call.subject, action);
  if (!seen) unseen?.(call, action);
  return seen;
}

async function target(call: Framed, deps: IdentifyDeps): Promise<Target> {
  switch (call.frame.method) {
    case 'tools/call':
      return tool(call, deps);
    case 'prompts/get':
      return prompt(call, deps);
    case 'resources/read':
      return resource(call, 'resources/read', deps);
    case 'resources/subscribe':
    case 'resources/unsubscribe':
      return resource(call, 'resources/subscribe', deps);
    case 'resources/list':
      return resourcePage(call, deps);
    case 'completion/complete':
      return completion(call, deps);
    default:
      throw new Refusal('unknown-method', call.frame.method);
  }
}

async function tool(call: Framed, deps: IdentifyDeps): Promise<Target> {
  const name = text(paramsOf(call), 'name');
  const entry = deps.catalogue.tool(call.arrived.server, name);
  if (entry === undefined || !(await isSeen(call, entry.action, deps))) throw new Refusal('unknown', `tool ${name}`);
  return {
    server: entry.server,
    method: 'tools/call',
    action: entry.action,
    pin: entry.pin,
    headers: paramHeaders(call, entry.mirrored, deps.decodeHeader),
    task: taskWish(call.frame, entry.tasks),
    ...ownParams(call.frame, renamed(call, ['name'], entry.pin.name), ownMembers(call.frame)),
  };
}

const OWN_INPUTS: readonly string[] = [STEP_UP_INPUT, AUTHORIZE_INPUT];

/** The task is the gateway's: no server is to make another of it. */
function ownMembers(frame: Frame): readonly (readonly string[])[] {
  return [...(frame.params?.task === undefined ? [] : [['task']]), ...ownInputs(frame)];
}

/** What a client says of a visit to our pages is for us alone. */
function ownInputs({ params: { inputResponses } = {} }: Frame): readonly (readonly string[])[] {
  if (!isObject(inputResponses)) return [];
  const own = OWN_INPUTS.filter((key) => Object.hasOwn(inputResponses, key));
  const isAlone = own.length > 0 && Object.keys(inputResponses).length === own.length;
  return isAlone ? [['inputResponses']] : own.map((key) => ['inputResponses', key]);
}

async function prompt(call: Framed, deps: IdentifyDeps): Promise<Target> {
  const name = text(paramsOf(call), 'name');
  const entry = deps.catalogue.prompt(call.arrived.server, name);
  if (entry === undefined || !(await isSeen(call, entry.action, deps))) throw new Refusal('unknown', `prompt ${name}`);
  return {
    server: entry.server,
    method: 'prompts/get',
    action: entry.action,
    pin: entry.pin,
    headers: paramHeaders(call, [], deps.decodeHeader),
    ...ownParams(call.frame, renamed(call, ['name'], entry.pin.name), ownInputs(call.frame)),
  };
}

/** To end a subscription is the same action as to begin it. */
async function resource(
  call: Framed,
  method: 'resources/read' | 'resources/subscribe',
  deps: IdentifyDeps,
): Promise<Target> {
  const uri = text(paramsOf(call), 'uri');
  const { server, own } = ownUri(call.arrived.server, uri);
  if (!(await deps.visibility.method(call.subject, server, method))) {
    throw new Refusal('unknown-resource', `resource ${uri}`, { uri });
  }
  return {
    server,
    method,
    action: actionOf(server, method),
    pin: undefined,
    headers: paramHeaders(call, [], deps.decodeHeader),
    ...ownParams(call.frame, renamed(call, ['uri'], own), ownInputs(call.frame)),
  };
}

/** On `/mcp` one server a page: our cursor names the server and, from its second page on, the server's own cursor. */
async function resourcePage(call: Framed, deps: IdentifyDeps): Promise<Target> {
  const { arrived, subject, frame } = call;
  const cursor = frame.params?.cursor;
  if (cursor !== undefined && typeof cursor !== 'string') throw new Refusal('params', 'a cursor that is no string');
  const servers = await deps.visibility.listable(subject, arrived.server);
  const mark =
    arrived.server === undefined && cursor !== undefined ? pageMark(cursor) : { server: servers[0], own: cursor };
  const index = mark.server === undefined ? -1 : servers.indexOf(mark.server);
  const server = servers[index];
  if (server === undefined) throw cursor === undefined ? new Refusal('unknown', 'no resources') : notOurs();
  return {
    server,
    method: 'resources/list',
    action: actionOf(server, 'resources/list'),
    pin: undefined,
    headers: paramHeaders(call, [], deps.decodeHeader),
    ...ownParams(frame, arrived.server === undefined ? { path: ['cursor'], value: mark.own } : undefined),
    next: arrived.server === undefined ? servers[index + 1] : undefined,
  };
}

function pageMark(cursor: string): { readonly server: string; readonly own: string | undefined } {
  const { server, cursor: own, ...rest } = decodeCursor(cursor);
  if (typeof server !== 'string' || Object.keys(rest).length > 0) throw notOurs();
  if (own !== undefined && typeof own !== 'string') throw notOurs();
  return { server, own };
}

function notOurs(): Refusal {
  return new Refusal('params', 'a cursor that is not ours');
}

async function completion(call: Framed, deps: IdentifyDeps): Promise<Target> {
  const ref = paramsOf(call).ref;
  if (!isObject(ref)) throw new Refusal('params', 'no ref');
  const { server, member, own, pin } = await completed(call, ref, deps);
  if (!(await deps.visibility.method(call.subject, server, 'completion/complete')))
    throw new Refusal('unknown', `completion of ${own}`);
  return {
    server,
    method: 'completion/complete',
    action: actionOf(server, 'completion/complete'),
    pin,
    headers: paramHeaders(call, [], deps.decodeHeader),
    ...ownParams(call.frame, renamed(call, ['ref', member], own)),
  };
}

async function completed(call: Framed, ref: JsonObject, deps: IdentifyDeps) {
  if (ref.type === 'ref/prompt') {
    const name = text(ref, 'name');
    const entry = deps.catalogue.prompt(call.arrived.server, name);
    if (entry === undefined || !(await isSeen(call, entry.action, deps)))
      throw new Refusal('unknown', `prompt ${name}`);
    return { server: entry.server, member: 'name', own: entry.pin.name, pin: entry.pin };
  }
  if (ref.type === 'ref/resource')
    return { ...ownUri(call.arrived.server, text(ref, 'uri')), member: 'uri', pin: undefined };
  throw new Refusal('params', 'a ref of unknown type');
}

/** `files+file:///x` → `files`, `file:///x`; no server name has a `+`. */
function ownUri(server: string | undefined, uri: string): { readonly server: string; readonly own: string } {
  if (server !== undefined) return { server, own: uri };
  const plus = uri.indexOf('+');
  return plus === -1 ? { server: '', own: uri } : { server: uri.slice(0, plus), own: uri.slice(plus + 1) };
}

/** On `/mcp/SERVER` the names are the server's own already, and no byte changes. */
function renamed({ arrived }: Framed, path: readonly string[], own: string) {
  return arrived.server === undefined ? { path, value: own } : undefined;
}

function paramsOf({ frame }: Framed): JsonObject {
  if (frame.params === undefined) throw new Refusal('params', 'no params');
  return frame.params;
}

function text(object: JsonObject, key: string): string {
  const value: Json | undefined = object[key];
  if (typeof value !== 'string') throw new Refusal('params', `${key} is no string`);
  return value;
}
