import type { PinnedServer } from '../../contract/descriptors.ts';
import { isObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import { type Soon, those } from '../../contract/soon.ts';
import type { Framed, Subject } from '../../contract/tool-call.ts';
import { actionOf, type Catalogue, type CataloguedServer } from './catalogue.ts';

/** Whether the subject could be permitted an action, for some arguments at least. */
export type Visible = (subject: Subject, action: string) => Soon<boolean>;

export interface Visibility {
  /** The servers of which the subject may see something; of all, or of the one that is named. In catalogue order. */
  readonly servers: (subject: Subject, only: string | undefined) => Promise<readonly PinnedServer[]>;
  /** Names of the servers whose resources the subject may list. In catalogue order. */
  readonly listable: (subject: Subject, only: string | undefined) => Promise<readonly string[]>;
  /** Whether a method of a server is there, and the subject may see it. */
  readonly method: (subject: Subject, server: string, method: string) => Soon<boolean>;
  /**
   * Refuses every request on `/mcp/SERVER` of a server that is not there, or of which the subject may see nothing:
   * both in the same words.
   * @throws Refusal unknown
   */
  readonly admit: (call: Framed) => Promise<void>;
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
  const seen = async (subject: Subject, { pins, tools }: CataloguedServer) => {
    for (const { action } of tools) if (await visible(subject, action)) return true;
    for (const name of CAPABILITY.keys()) if (await method(subject, pins.name, name)) return true;
    return false;
  };
  const named = (only: string | undefined) => {
    if (only === undefined) return [...servers.values()];
    const one = servers.get(only);
    return one === undefined ? [] : [one];
  };
  const shown = async (subject: Subject, only: string | undefined) =>
    (await those(named(only), (server) => seen(subject, server))).map(({ pins }) => pins);
  return {
    servers: shown,
    method,
    listable: async (subject, only) => {
      const listable = await those(named(only), ({ pins }) => method(subject, pins.name, 'resources/list'));
      return listable.map(({ pins }) => pins.name);
    },
    admit: async ({ arrived, subject, frame }) => {
      if (arrived.server === undefined) return;
      // The common case first: who may see the tool that it calls need not be asked about all others.
      const name = frame.method === 'tools/call' ? frame.params?.name : undefined;
      const called = typeof name === 'string' ? tool(arrived.server, name) : undefined;
      if (called !== undefined && (await visible(subject, called.action))) return;
      if ((await shown(subject, arrived.server)).length === 0) throw new Refusal('unknown', `server ${arrived.server}`);
    },
  };
}
