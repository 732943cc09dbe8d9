import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseStrict } from '../../src/contract/strict-json.ts';
import type { ExecutedMethod } from '../../src/contract/tool-call.ts';
import { cut } from '../../src/gateway/remainders/cut.ts';
import { OWN_WORDS } from '../../src/gateway/remainders/limits.ts';
import { piecesOf } from '../../src/gateway/remainders/pieces.ts';
import { shorten } from '../../src/gateway/remainders/shorten.ts';
import { verifies } from '../support/verifies.ts';

const LIMIT = 8192;
const bytes = (text: string): number => Buffer.byteLength(text);
/** Text of every kind: lines, escapes, quotes, several bytes a character. */
const words = fc
  .array(
    fc.constantFrom('a word ', '\n', '"quoted"', '\\', '\u0000', 'Größe ', '漢字', '👩‍👩‍👧', '\u2028', 'x'.repeat(300)),
    {
      maxLength: 200,
    },
  )
  .map((parts) => parts.join(''));
const block = fc.oneof(
  words.map((text) => ({ type: 'text', text })),
  words.map((text) => ({ type: 'text', text, annotations: { audience: ['user'] } })),
  fc.base64String({ maxLength: 6000 }).map((data) => ({ type: 'image', data, mimeType: 'image/png' })),
  words.map((text) => ({ type: 'resource', resource: { uri: 'a://b', mimeType: 'text/plain', text } })),
  fc.constant({ type: 'resource_link', uri: 'a://c', name: 'c' }),
);

/** Everything that a reader of all pieces has in the end, put together by their order. */
function readAll(pieces: readonly string[]): string {
  return pieces
    .flatMap((piece) => JSON.parse(piece) as { text?: string; blob?: string }[])
    .map(({ text, blob }) => text ?? blob)
    .join('');
}
const said = (one: { type: string; text?: string; data?: string; resource?: { text: string } }): string =>
  one.text ?? one.data ?? one.resource?.text ?? JSON.stringify(one);
const cutOf = (method: ExecutedMethod, result: unknown, limit = LIMIT) => cut(method, JSON.stringify(result), limit);

test('a cut result is a valid one within its size, and head and pieces together have every byte', () => {
  verifies('output.size');
  fc.assert(
    fc.property(fc.array(block, { minLength: 1, maxLength: 12 }), (content) => {
      const short = cutOf('tools/call', { content, isError: false });
      if (short === undefined) throw new Error('not cut');
      const head = JSON.parse(parseStrict(Buffer.from(short.head)).text);
      assert.ok(bytes(short.head) <= LIMIT - OWN_WORDS, `${bytes(short.head)}`);
      assert.equal(head.isError, false);
      const pieces = piecesOf(short.rest, 2000, (piece) => `r/${piece}`);
      for (const piece of pieces) {
        assert.ok(bytes(piece) <= 2100, `${bytes(piece)}`);
        parseStrict(Buffer.from(piece));
      }
      assert.equal(head.content.map(said).join('') + readAll(pieces), content.map(said).join(''));
    }),
    { numRuns: 300 },
  );
});

test('a text is cut at a line end, else between two characters, and nothing else of its block is touched', () => {
  verifies('output.size');
  const lines = cutOf('tools/call', {
    content: [{ type: 'text', annotations: { priority: 1 }, text: 'a line\n'.repeat(5000) }],
  });
  const [first] = JSON.parse(lines?.head ?? '').content;
  assert.match(first.text, /line\n$/);
  assert.deepEqual(first.annotations, { priority: 1 });
  for (let shift = 0; shift < 4; shift++) {
    const faces = cutOf('tools/call', { content: [{ type: 'text', text: 'x'.repeat(shift) + '😀'.repeat(9000) }] });
    assert.doesNotMatch(JSON.parse(faces?.head ?? '').content[0].text, /[\ud800-\udbff]$/);
  }
});

test('pictures and files are in an answer whole or not at all, and each part of one is base64 by itself', () => {
  verifies('output.size');
  const data = Buffer.from('picture'.repeat(4000)).toString('base64');
  const short = cutOf('tools/call', { content: [{ type: 'image', data, mimeType: 'image/png' }] });
  assert.deepEqual(JSON.parse(short?.head ?? ''), { content: [] });
  const entries = piecesOf(short?.rest ?? [], 1001, String).flatMap((piece) => JSON.parse(piece));
  assert.ok(entries.length > 20 && entries.every(({ mimeType }) => mimeType === 'image/png'));
  assert.equal(Buffer.concat(entries.map(({ blob }) => Buffer.from(blob, 'base64'))).toString('base64'), data);
});

test('prompts and resources are cut likewise', () => {
  verifies('output.size');
  const text = 'a line\n'.repeat(3000);
  const prompt = cutOf('prompts/get', { messages: [{ role: 'user', content: { type: 'text', text } }] });
  const resource = cutOf('resources/read', { contents: [{ uri: 'a://b', text }] });
  const heads = [
    JSON.parse(prompt?.head ?? '').messages[0].content.text,
    JSON.parse(resource?.head ?? '').contents[0].text,
  ];
  for (const [index, rest] of [prompt?.rest, resource?.rest].entries())
    assert.equal(heads[index] + readAll(piecesOf(rest ?? [], 4000, String)), text);
});

test('structured content stays JSON, of its shape, with what a schema may require', () => {
  verifies('output.size');
  const rows = Array.from({ length: 5000 }, (_, id) => ({ id, name: `row ${id}` }));
  const structuredContent = { rows, note: 'n'.repeat(9000), total: 5000, next: { page: 2 } };
  const short = cutOf('tools/call', { content: [], structuredContent });
  const shown = JSON.parse(short?.head ?? '').structuredContent;
  assert.ok(shown.rows.length > 50 && shown.rows.length < 5000);
  assert.deepEqual(shown.rows.slice(0, 50), rows.slice(0, 50));
  assert.deepEqual([shown.total, shown.next.page, typeof shown.note], [5000, 2, 'string']);
  assert.deepEqual(JSON.parse(readAll(piecesOf(short?.rest ?? [], 4000, String))), structuredContent);
});

test('any JSON is shortened to JSON of its kind within the room, numbers by their digits', () => {
  verifies('output.size');
  fc.assert(
    fc.property(
      fc.json({ maxDepth: 8, noUnicodeString: false } as never),
      fc.integer({ min: 512, max: 2000 }),
      (json, room) => {
        const long = `[${json},{"deep":${json},"text":${JSON.stringify('lang '.repeat(900))}},${'1'.repeat(400)},${json}]`;
        const short = shorten(long, 0, room);
        parseStrict(Buffer.from(short));
        assert.ok(bytes(short) <= room, `${bytes(short)} of ${room}: ${short}`);
      },
    ),
    { numRuns: 500 },
  );
  assert.equal(shorten('{"id":12345678901234567890,"x":1.10}', 0, 512), '{"id":12345678901234567890,"x":1.10}');
  const deep = `${'{"a":['.repeat(30)}"${'x'.repeat(9000)}"${']}'.repeat(30)}`;
  assert.ok(bytes(shorten(deep, 0, 512)) <= 512);
});

test('what cannot be cut is not: a list of a server, a result whose other members are too large', () => {
  verifies('output.size');
  assert.equal(cutOf('resources/list', { resources: [{ uri: 'a://b', name: 'x'.repeat(9000) }] }), undefined);
  assert.equal(cutOf('tools/call', { content: [], other: 'x'.repeat(9000) }), undefined);
  assert.equal(cutOf('tools/call', { content: 'x'.repeat(9000) }), undefined);
  assert.equal(cutOf('tools/call', { content: [{ type: 'text', text: 'x'.repeat(9000) }] }, 1000), undefined);
});
