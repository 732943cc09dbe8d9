import { canonicalJson } from '../../contract/canonical-json.ts';
import type { Content } from './registry.ts';

/** One policy file, or one part of a server, that two versions have otherwise; empty: it is not there. */
export interface Difference {
  /** `policies/files.cedar`, `servers/files/tools/read_file`. */
  readonly what: string;
  readonly before: string;
  readonly after: string;
}

/** What of `after` is not as in `before`, by name. */
export function differences(before: Content, after: Content): readonly Difference[] {
  const [old, now] = [partsOf(before), partsOf(after)];
  const names = [...new Set([...old.keys(), ...now.keys()])].sort();
  return names
    .map((what) => ({ what, before: old.get(what) ?? '', after: now.get(what) ?? '' }))
    .filter((part) => part.before !== part.after);
}

function partsOf({ policies, servers, limits }: Content): ReadonlyMap<string, string> {
  const parts = new Map([['limits', canonicalJson(JSON.stringify(limits))]]);
  for (const { file, text } of policies) parts.set(`policies/${file}`, text);
  for (const { pins, ...settings } of servers) {
    const { tools, prompts, resourceTemplates, ...about } = pins;
    const at = `servers/${pins.name}`;
    parts.set(at, canonicalJson(JSON.stringify({ ...settings, pins: about })));
    for (const [kind, all] of Object.entries({ tools, prompts, resourceTemplates }))
      for (const { name, raw } of all) parts.set(`${at}/${kind}/${name}`, raw);
  }
  return parts;
}
