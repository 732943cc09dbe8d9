import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LineReader } from '../../src/runtime/upstream/lines.ts';
import { encodeRequest, withEnvelope } from '../../src/runtime/upstream/request.ts';
import { printable, UpstreamFailure } from '../../src/runtime/upstream/upstream.ts';

const json = fc.jsonValue().map((value) => value ?? {});

test('any params stay one line, and the same value', () => {
  const spaced = fc.tuple(json, fc.constantFrom(0, 1, 4, '\t', '\n', '\r\n ')).map(([value, indent]) => {
    const text = JSON.stringify(
      { arguments: value, note: 'a\nb\u2028' },
      null,
      typeof indent === 'number' ? indent : 2,
    );
    return typeof indent === 'number' ? text : text.replace(/\n */g, indent);
  });
  fc.assert(
    fc.property(spaced, (text) => {
      const line = encodeRequest(3, 'tools/call', Buffer.from(text)).toString();
      assert.equal(line.indexOf('\n'), line.length - 1);
      assert.ok(!line.includes('\r'));
      assert.deepEqual(JSON.parse(line), { jsonrpc: '2.0', id: 3, method: 'tools/call', params: JSON.parse(text) });
    }),
  );
});

test('the envelope of 2026-07-28 replaces what a client claimed and keeps all else', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), json), fc.dictionary(fc.string(), json), (rest, meta) => {
      const claimed = { ...meta, 'io.modelcontextprotocol/clientCapabilities': { sampling: {} } };
      const params = JSON.parse(
        withEnvelope(Buffer.from(JSON.stringify({ ...rest, _meta: claimed })), '{"roots":{}}', 'error').toString(),
      );
      assert.deepEqual(params._meta['io.modelcontextprotocol/clientCapabilities'], { roots: {} });
      assert.equal(params._meta['io.modelcontextprotocol/logLevel'], 'error');
      const { _meta, ...others } = params;
      assert.deepEqual(others, JSON.parse(JSON.stringify({ ...rest, _meta: undefined })));
      for (const [key, value] of Object.entries(JSON.parse(JSON.stringify(meta))))
        if (!key.startsWith('io.modelcontextprotocol/')) assert.deepEqual(_meta[key], value);
    }),
  );
});

test('lines do not depend on how the stream is cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ unit: fc.constantFrom('a', 'é', '"', ' ') })),
      fc.array(fc.nat(40)),
      (texts, cuts) => {
        const bytes = Buffer.from(texts.map((text) => `${text}\n`).join(''));
        const reader = new LineReader(1000);
        const lines: string[] = [];
        let at = 0;
        for (const cut of [...cuts, bytes.length]) {
          for (const line of reader.push(bytes.subarray(at, at + cut))) lines.push(Buffer.from(line).toString());
          at += cut;
        }
        assert.deepEqual(
          lines,
          texts.filter((text) => text !== ''),
        );
        assert.equal(reader.partial, false);
      },
    ),
  );
});

test('refuses a line above the bound before it has ended', () => {
  const reader = new LineReader(10);
  assert.deepEqual(reader.push(Buffer.from('0123456789\n01234')).length, 1);
  assert.throws(
    () => reader.push(Buffer.from('567890')),
    (error) => error instanceof UpstreamFailure && error.code === 'size',
  );
});

test('what goes to the log cannot forge a line of it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (text) => {
      const shown = printable(text, 100);
      assert.ok(shown.length <= 101);
      assert.doesNotMatch(shown, /[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/u);
    }),
  );
});
