import type { PinnedDescriptor, PinnedServer } from '../../../contract/descriptors.ts';
import { isObject, type Json } from '../../../contract/json.ts';
import { type RecordType, typeOfArguments, type Untyped } from './argument-types.ts';

/** What a policy can say of one action. */
export interface ActionType {
  readonly args: RecordType;
  /** Declared arguments that policies do not see. */
  readonly untyped: readonly Untyped[];
}

/** The arguments of the methods that name no tool; the last three are what a server may ask of the client in mid-call. */
const METHODS: Readonly<Record<string, readonly string[]>> = {
  'resources/read': ['uri'],
  'resources/subscribe': ['uri'],
  'prompts/get': ['name'],
  'resources/list': [],
  'completion/complete': [],
  'elicitation/create': [],
  'sampling/createMessage': [],
  'roots/list': [],
};

/** Every action that exists: `SERVER/TOOL` for each pinned tool, `SERVER#METHOD` for the other methods. */
export function actionsOfPins(servers: readonly PinnedServer[]): ReadonlyMap<string, ActionType> {
  const actions = new Map<string, ActionType>();
  for (const server of servers) {
    for (const tool of server.tools) {
      const { type, untyped } = typeOfArguments(inputSchema(tool));
      actions.set(`${server.name}/${tool.name}`, { args: type, untyped });
    }
    for (const [method, names] of Object.entries(METHODS)) {
      const attributes = new Map(names.map((name) => [name, { type: { kind: 'String' as const }, required: true }]));
      actions.set(`${server.name}#${method}`, { args: { kind: 'Record', attributes }, untyped: [] });
    }
  }
  return actions;
}

function inputSchema(tool: PinnedDescriptor): Json | undefined {
  const descriptor: Json = JSON.parse(tool.raw);
  return isObject(descriptor) ? descriptor.inputSchema : undefined;
}
