import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { add } from '../../src/cli/add.ts';
import { tools } from '../../src/cli/tools.ts';
import type { LiveDescriptors } from '../../src/contract/runtime-link.ts';
import type { FasterStarts } from '../../src/contract/zone-link.ts';
import type { TrustedRoot } from '../../src/control-plane/packages/attestation.ts';
import { unservable } from '../../src/main/unservable.ts';
import { scratch } from './scratch.ts';

export const handshake = JSON.stringify({
  protocolVersion: '2025-11-25',
  capabilities: { tools: {} },
  serverInfo: { name: 's', version: '1' },
});

/** What a server with these tools says. */
export function live(...descriptors: readonly object[]): LiveDescriptors {
  return { handshake, tools: descriptors.map((tool) => JSON.stringify(tool)), prompts: [], resourceTemplates: [] };
}

export const echo = {
  name: 'echo',
  description: 'Says it again',
  inputSchema: { type: 'object', properties: { text: { type: 'string' } } },
};

/** `add` and `tools` in a directory of their own, with a server that says what `says` gives. */
export function addRooms(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
  root?: TrustedRoot,
) {
  const home = scratch(t, { 'innerkeep.yaml': '# mine\nservers: {}\n', ...files });
  const rooms = {
    home,
    says: (): LiveDescriptors => live(echo),
    starts: { snapshot: { plain: 'not tried' }, bundle: { plain: 'not tried' } } as FasterStarts,
    out: '',
    answer: undefined as boolean | undefined,
    read: (path: string): string | undefined =>
      existsSync(join(home, path)) ? readFileSync(join(home, path), 'utf8') : undefined,
    add: (...argv: readonly string[]) =>
      add(argv, io(false), { ...deps(), cwd: home, now: () => Date.parse('2026-11-01T00:00:00Z') }),
    tools: (...argv: readonly string[]) => tools(argv, io(false), deps()),
  };
  const io = (json: boolean) => ({
    json,
    stdout: (text: string) => {
      rooms.out += text;
    },
    stderr: () => {},
  });
  const deps = () => {
    const { answer } = rooms;
    const ask = answer === undefined ? undefined : async () => answer;
    return {
      config: join(home, 'innerkeep.yaml'),
      state: join(home, '.innerkeep'),
      ...(root && { trustedRoot: async () => root }),
      semgrep: async () => '{"results":[],"errors":[]}',
      describe: async () => rooms.says(),
      bundle: async () => rooms.starts,
      inspect: unservable,
      ask,
      env,
    };
  };
  return rooms;
}
