import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { diffPins, pinnedElsewhere } from '../../src/control-plane/packages/descriptor-diff.ts';
import type { Lock } from '../../src/control-plane/packages/lock.ts';
import { pinsOf } from '../../src/control-plane/packages/pins.ts';
import { live } from '../support/add-rooms.ts';

const word = fc.stringMatching(/^[a-z]{1,8}$/);
const toolset = fc.uniqueArray(
  fc.record({
    name: word,
    description: fc.string(),
    inputSchema: fc.dictionary(word, fc.json()).map((properties) => ({ type: 'object', properties })),
  }),
  { minLength: 1, maxLength: 12, comparator: (a, b) => a.name === b.name || a.description === b.description },
);
const fates = fc.array(fc.constantFrom('stays', 'renamed', 'moved', 'changed'), { minLength: 12, maxLength: 12 });

test('property: in another order, by another name or at another server a tool is known by what it says; what says something else is named', () => {
  fc.assert(
    fc.property(toolset, fates, fc.nat(), (tools, fate, turn) => {
      const of = (...wanted: readonly string[]) => tools.filter((_, at) => wanted.includes(fate[at] ?? ''));
      const other = { pins: pinsOf(live(...of('moved'))) } as Lock['servers'][string];
      const now = tools.map((tool, at) => {
        if (fate[at] === 'stays') return tool;
        if (fate[at] === 'changed') return { ...tool, description: `${tool.description} and more\n${at}` };
        return { ...tool, name: `${tool.name}-2` };
      });
      const cut = turn % now.length;
      const changes = diffPins(
        pinsOf(live(...of('stays', 'renamed', 'changed'))),
        pinsOf(live(...now.slice(cut), ...now.slice(0, cut))),
        pinnedElsewhere({ servers: { other } } as unknown as Lock, 'this'),
      );
      const expected = [
        ...of('renamed').map(({ name }) => `tools/${name} renamed`),
        ...of('changed').map(({ name }) => `tools/${name} changed`),
        ...of('moved').map(({ name }) => `tools/${name}-2 moved`),
      ];
      assert.deepEqual(changes.map(({ item, change }) => `${item} ${change}`).sort(), expected.sort());
    }),
    { numRuns: 500 },
  );
});
