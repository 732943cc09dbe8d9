import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { files, home, read } from '../support/tree.ts';

interface Line {
  readonly id: string;
  readonly state: string;
  readonly room: string;
}

const lines: readonly Line[] = [
  ...read('docs/hardening.md').matchAll(/^\| `([a-z0-9.-]+)` \| (\w+) \|([^|]*)\|/gm),
].map(([, id, state, room]) => ({ id: String(id), state: String(state), room: String(room).trim() }));
const ids = new Set(lines.map(({ id }) => id));

/** Which tests cite which ids; read from the source, so that a citation in a skipped test still has to be real. */
const citations = files('test/**/*.test.ts').flatMap((file) =>
  [...read(file).matchAll(/\bverifies\(([^)]*)\)/g)].flatMap(([, list]) =>
    [...String(list).matchAll(/'([^']+)'/g)].map(([, id]) => ({ file, id: String(id) })),
  ),
);

test('the table has every line of the checklist once, with a known state', {
  skip: missing('../shared/mission.md'),
}, () => {
  const mission = read('../shared/mission.md');
  const list = mission.slice(mission.indexOf('## The hardening checklist'), mission.indexOf('## Beyond the list'));
  const wanted = [
    ...list.matchAll(/`((?:transport|authn|authz|input|output|secrets|sandbox|limits|observe)\.[a-z0-9-]+)`/g),
  ];
  assert.deepEqual([...ids].sort(), [...new Set(wanted.map(([, id]) => String(id)))].sort());
  assert.equal(ids.size, lines.length);
});

test('a state is shipped, partial or absent; what is there has a room that exists and a test that cites it', () => {
  assert.ok(lines.length > 30);
  for (const { id, state, room } of lines) {
    assert.match(state, /^(shipped|partial|absent)$/, id);
    if (state === 'absent') {
      assert.equal(room, '', `${id} is absent and has a room`);
      continue;
    }
    for (const [, path] of room.matchAll(/`([^`]+)`/g))
      assert.ok(existsSync(join(home, String(path))), `${id}: ${path}`);
    assert.match(room, /`/, `${id} has no room`);
    assert.ok(
      citations.some((citation) => citation.id === id),
      `no test cites ${id}`,
    );
  }
});

test('no test cites a line that the checklist does not have, or that is marked absent', () => {
  const there = new Set(lines.filter(({ state }) => state !== 'absent').map(({ id }) => id));
  assert.deepEqual(
    citations.filter(({ id }) => !there.has(id)),
    [],
  );
});

function missing(path: string): string | false {
  return existsSync(join(home, path)) ? false : `${path} is not there`;
}
