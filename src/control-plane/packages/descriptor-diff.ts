import type { PinnedDescriptor } from '../../contract/descriptors.ts';
import { isObject, type Json } from '../../contract/json.ts';
import type { Lock } from './lock.ts';
import { type Pins, parsed } from './pins.ts';

export interface Change {
  /** `tools/read_file`, `instructions`, … */
  readonly item: string;
  /** `moved`: under another server, the same but for its name was reviewed before. */
  readonly change: 'added' | 'removed' | 'renamed' | 'moved' | 'changed';
  /** JSON Pointer into the descriptor. */
  readonly field?: string;
  readonly pinned?: Json;
  readonly live?: Json;
}

/** What a server says now and did not say when it was reviewed, field by field. */
export function diffPins(pinned: Pins, live: Pins, elsewhere: Elsewhere = new Map()): readonly Change[] {
  const facts = ['protocolVersion', 'serverInfo', 'capabilities', 'instructions'] as const;
  return [
    ...facts.flatMap((item) => diffJson(item, pinned[item], live[item])),
    ...diffList('tools', pinned.tools, live.tools, elsewhere),
    ...diffList('prompts', pinned.prompts, live.prompts),
    ...diffList('resourceTemplates', pinned.resourceTemplates, live.resourceTemplates),
  ];
}

/** Descriptors of other servers by what they say but for their names: `SERVER/TOOL`. */
type Elsewhere = ReadonlyMap<string, string>;

/** What a tool may have been before its server was split in two. */
export function pinnedElsewhere({ servers }: Lock, server: string): Elsewhere {
  const others = Object.entries(servers).filter(([name]) => name !== server);
  return new Map(
    others.flatMap(([name, { pins }]) => pins.tools.map((pin) => [nameless(pin), `${name}/${pin.name}`] as const)),
  );
}

function diffList(
  kind: string,
  pinned: readonly PinnedDescriptor[],
  live: readonly PinnedDescriptor[],
  elsewhere: Elsewhere = new Map(),
): Change[] {
  const changes: Change[] = [];
  const fresh = live.filter(({ name }) => !pinned.some((pin) => pin.name === name));
  for (const pin of pinned) {
    const now = live.find(({ name }) => name === pin.name);
    const item = `${kind}/${pin.name}`;
    if (now === undefined) {
      const renamed = fresh.find((other) => nameless(other) === nameless(pin));
      if (renamed !== undefined) fresh.splice(fresh.indexOf(renamed), 1);
      changes.push(
        renamed === undefined ? { item, change: 'removed' } : { item, change: 'renamed', live: renamed.name },
      );
    } else if (now.digest !== pin.digest) {
      const fields = diffJson(item, parsed(pin.raw, kind), parsed(now.raw, kind));
      // The same values in other bytes: order of keys, white space, escapes.
      changes.push(
        ...(fields.length > 0
          ? fields
          : [{ item, change: 'changed', field: '', pinned: pin.digest, live: now.digest } as const]),
      );
    }
  }
  return [
    ...changes,
    ...fresh.map((pin) => {
      const [item, before] = [`${kind}/${pin.name}`, elsewhere.get(nameless(pin))];
      return before === undefined
        ? ({ item, change: 'added', live: parsed(pin.raw, kind) } as const)
        : ({ item, change: 'moved', pinned: before, live: pin.name } as const);
    }),
  ];
}

function nameless({ raw }: PinnedDescriptor): string {
  const { name, ...rest } = parsed(raw, 'descriptor');
  return canonical(rest);
}

function diffJson(item: string, pinned: Json | undefined, live: Json | undefined, field = ''): Change[] {
  if (canonical(pinned) === canonical(live)) return [];
  if (isObject(pinned) && isObject(live)) {
    const keys = [...new Set([...Object.keys(pinned), ...Object.keys(live)])].sort();
    return keys.flatMap((key) =>
      diffJson(item, pinned[key], live[key], `${field}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`),
    );
  }
  return [
    {
      item,
      change: pinned === undefined ? 'added' : live === undefined ? 'removed' : 'changed',
      field,
      ...(pinned === undefined ? {} : { pinned }),
      ...(live === undefined ? {} : { live }),
    },
  ];
}

function canonical(value: Json | undefined): string {
  if (value === undefined) return '';
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (!isObject(value)) return JSON.stringify(value);
  return `{${Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`)
    .join()}}`;
}
