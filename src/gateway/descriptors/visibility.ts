import type { PinnedServer } from '../../contract/descriptors.ts';
import { isObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Framed, Subject } from '../../contract/tool-call.ts';
import { actionOf, type Catalogue, type CataloguedServer } from './catalogue.ts';

/** Whether the subject could be permitted an action, for some arguments at least. */
export type Visible = (subject: Subject, action: string) => boolean;

export interface Visibility {
  /** The servers of which the subject may see something; of all, or of the one that is named. In catalogue order. */
  readonly servers: (subject: Subject, only: string | undefined) => readonly PinnedServer[];
  /** Names of the servers whose resources the subject may list. In catalogue order. */
  readonly listable: (subject: Subject, only: string | undefined) => readonly string[];
  /** Whether a method of a server is there, and the subject may see it. */
  readonly method: (subject: Subject, server: string, method: string) => boolean;
  /**
   * Refuses every request on `/mcp/SERVER` of a server that is not there, or of which the subject may see nothing:
   * both in the same words.
   * @throws Refusal unknown
   */
  readonly admit: (call: Framed) => void;
}

/** The capability that a server must have announced for a method. */
const CAPABILITY: ReadonlyMap<string, string> = new Map([
  ['prompts/get', 'prompts'],
  ['resources/list', 'resources'],
  ['resources/read', 'resources'],
  ['resources/subscribe', 'resources'],
  ['completion/complete', 'completions'],
]);

/** Whether the server has said that it tells of updates. */
function subscribable({ capabilities: { resources } }: PinnedServer): boolean {
  return isObject(resources) && resources.subscribe === true;
}

export function createVisibility({ servers, tool }: Catalogue, visible: Visible): Visibility {
  const method = (subject: Subject, server: string, name: string) => {
    const capability = CAPABILITY.get(name);
    const pins = servers.get(server)?.pins;
    if (pins === undefined || capability === undefined || !Object.hasOwn(pins.capabilities, capability)) return false;
    if (name === 'resources/subscribe' && !subscribable(pins)) return false;
    return visible(subject, actionOf(server, name));
  };
  const seen = (subject: Subject, { pins, tools }: CataloguedServer) =>
    tools.some(({ action }) => visible(subject, action)) ||
    [...CAPABILITY.keys()].some((name) => method(subject, pins.name, name));
  const named = (only: string | undefined) => {
    if (only === undefined) return [...servers.values()];
    const one = servers.get(only);
    return one === undefined ? [] : [one];
  };
  const shown = (subject: Subject, only: string | undefined) =>
    named(only).flatMap((server) => (seen(subject, server) ? [server.pins] : []));
  return {
    servers: shown,
    method,
    listable: (subject, only) =>
      named(only).flatMap(({ pins }) => (method(subject, pins.name, 'resources/list') ? [pins.name] : [])),
    admit: ({ arrived, subject, frame }) => {
      // The common case first: who may see the tool that it calls need not be asked about all others.
      const name = frame.method === 'tools/call' ? frame.params?.name : undefined;
      const called = typeof name === 'string' ? tool(arrived.server, name) : undefined;
      if (called !== undefined && visible(subject, called.action)) return;
      if (arrived.server !== undefined && shown(subject, arrived.server).length === 0) {
        throw new Refusal('unknown', `server ${arrived.server}`);
      }
    },
  };
}
