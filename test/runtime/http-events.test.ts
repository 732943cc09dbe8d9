import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createParser } from 'eventsource-parser';
import fc from 'fast-check';
import { EventReader } from '../../src/runtime/upstream/http/event-reader.ts';
import { UpstreamFailure } from '../../src/runtime/upstream/upstream.ts';

/** What another parser of event streams makes of it. */
function oracle(text: string): { data: string[]; ids: string[]; retry: number | undefined } {
  const heard: { data: string[]; ids: string[]; retry: number | undefined } = { data: [], ids: [], retry: undefined };
  const parser = createParser({
    onEvent: ({ event, data }) => {
      if (data !== '' && (event === undefined || event === 'message')) heard.data.push(data);
    },
    onId: (id) => heard.ids.push(id),
    onRetry: (retry) => {
      heard.retry = retry;
    },
  });
  parser.feed(text);
  return heard;
}

const word = fc.oneof(fc.string({ maxLength: 6 }), fc.constantFrom('', 'ü€😀', ' x', '\ufeff', '5', '1 2', '\0'));
const line = fc
  .tuple(fc.constantFrom('data', 'event', 'id', 'retry', 'Data', 'message', ''), fc.constantFrom(':', ': ', ''), word)
  .map(([name, colon, value]) => `${name}${colon}${value.replaceAll(/[\r\n]/g, '')}`);
const ending = fc.constantFrom('\n', '\n', '\r\n', '\r');
const stream = fc
  .array(fc.tuple(fc.oneof(line, fc.constant(''), fc.constant('event: message')), ending), { maxLength: 30 })
  .map((lines) => lines.map(([text, end]) => text + end).join(''));

test('reads event streams as another parser does, wherever they are cut', () => {
  fc.assert(
    // The end makes a last carriage return unambiguous: the two parsers differ in when they act on it, not in what they see.
    fc.property(stream, fc.boolean(), fc.array(fc.nat(7), { minLength: 1, maxLength: 20 }), (lines, marked, cuts) => {
      const text = `${marked ? '\ufeff' : ''}${lines}:\n`;
      const heard: string[] = [];
      const reader = new EventReader(1e6, (data) => heard.push(data));
      const bytes = Buffer.from(text);
      for (let at = 0, n = 0; at < bytes.length; n++) {
        const size = cuts[n % cuts.length] ?? 0;
        reader.push(bytes.subarray(at, at + size + 1));
        at += size + 1;
      }
      const expected = oracle(text);
      assert.deepEqual(heard, expected.data);
      assert.equal(reader.retry, expected.retry);
      const id = expected.ids.at(-1);
      const usable = id !== undefined && /^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(id);
      assert.equal(reader.lastId, usable ? id : undefined);
    }),
    { numRuns: 2000 },
  );
});

test('holds no more than its bound, and no more than the bytes, into however many pieces they are cut', () => {
  const at = process.memoryUsage().arrayBuffers;
  for (const [prefix, refused] of [
    ['data: ', true],
    ['id: ', true],
    [': ', true],
    ['data: x\n', true],
    ['data: x\n\n', false],
  ] as const) {
    const reader = new EventReader(1000, () => {});
    const feed = () => {
      for (let n = 0; n < 2000; n++)
        for (const byte of Buffer.from(prefix.endsWith('\n') || n === 0 ? prefix : 'x')) reader.push(Buffer.of(byte));
    };
    if (refused) assert.throws(feed, (error) => error instanceof UpstreamFailure && error.code === 'size');
    else feed();
  }
  assert.ok(process.memoryUsage().arrayBuffers - at < 16 << 20);
});

test('refuses data that is not UTF-8', () => {
  const reader = new EventReader(1000, () => {});
  assert.throws(() => reader.push(Buffer.from('data: \xff\n\n', 'latin1')), /not UTF-8/);
});
