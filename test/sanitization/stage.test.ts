import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Refusal } from '../../src/contract/refusal.ts';
import type { Screened } from '../../src/contract/tool-call.ts';
import { redact } from '../../src/gateway/output-sanitization/redact.ts';
import { redactJson } from '../../src/gateway/output-sanitization/redact-json.ts';
import { type SanitizeDeps, sanitizeStage } from '../../src/gateway/output-sanitization/sanitize.ts';
import { screened as executed } from '../support/calls.ts';
import { verifies } from '../support/verifies.ts';
import { samples } from './samples.ts';

const whole: SanitizeDeps['fit'] = (_call, result) => ({ result, cut: undefined });
const stage = sanitizeStage({ outbound: (_call, raw) => raw, fit: whole });
const sanitize = (call: Screened) => stage(call, undefined);
const github = samples['github-token']?.[0]?.secret ?? '';
const aws = samples['aws-access-key-id']?.[0]?.secret ?? '';

/** Every character as `\u….`. */
function hidden(text: string): string {
  return [...text].map((char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`).join('');
}

const refuses = (result: string, code: string, detail: RegExp) =>
  assert.throws(
    () => sanitize(executed(result)),
    (error) => error instanceof Refusal && error.code === code && detail.test(error.detail),
  );

test('leaves no secret in any carrier of a result', () => {
  verifies('output.secrets');
  const base64 = Buffer.from(`\u00ff\u0000 ${github} \u00fe`, 'latin1').toString('base64');
  const carriers: Record<string, string> = {
    text: `{"content":[{"type":"text","text":"x ${github} y"}]}`,
    'structured content': `{"structuredContent":{"rows":[[1,{"a":"${github}"}]]}}`,
    'an object key': `{"structuredContent":{"${github}":1}}`,
    'a tool error': `{"isError":true,"content":[{"type":"text","text":"401 for ${github}"}]}`,
    'an embedded resource': `{"content":[{"type":"resource","resource":{"uri":"a://b","text":"${github}"}}]}`,
    'a resource URI': `{"contents":[{"uri":"https://x/?t=${github}","text":""}]}`,
    'a blob': `{"contents":[{"uri":"a://b","blob":"${base64}"}]}`,
    'a prompt': `{"messages":[{"role":"user","content":{"type":"text","text":"${github}"}}]}`,
    metadata: `{"_meta":{"trace":"${github}"}}`,
    'an unknown member': `{"x-new":{"deep":["${github}"]}}`,
    'a string of escapes': `{"content":[{"type":"text","text":"${hidden(github)}"}]}`,
    'a key of escapes': `{"${hidden(github)}":true}`,
    'a JSON text in a string': JSON.stringify({ text: JSON.stringify({ token: github }) }),
  };
  for (const [carrier, result] of Object.entries(carriers)) {
    const { result: output, redacted } = sanitize(executed(result));
    assert.ok(!JSON.stringify(JSON.parse(output)).includes(github), carrier);
    assert.equal(redacted?.['github-token'], 1, carrier);
    if (carrier !== 'a blob') assert.ok(output.includes('[redacted:github-token]'), carrier);
  }
  const blob = JSON.parse(sanitize(executed(carriers['a blob'] ?? '')).result).contents[0].blob;
  assert.equal(Buffer.from(blob, 'base64').toString('latin1'), '\u00ff\u0000 [redacted:github-token] \u00fe');
});

test('redacts text and structured content alike', () => {
  const result = JSON.stringify({
    content: [{ type: 'text', text: `key ${aws}` }],
    structuredContent: { text: `key ${aws}` },
  });
  const { result: output, redacted } = sanitize(executed(result));
  const { content, structuredContent } = JSON.parse(output);
  assert.equal(content[0].text, structuredContent.text);
  assert.deepEqual(redacted, { 'aws-access-key-id': 2 });
});

test('a value that is a secret by its name in one place is the same secret in every other', () => {
  verifies('output.secrets');
  const cases = [
    [{ env: [{ name: 'SESSION_TOKEN', value: 'f3k29d0a8s7g6h5j' }] }, 'SESSION_TOKEN is f3k29d0a8s7g6h5j', 'secret'],
    [{ rows: [['correct7horse']] }, 'password: correct7horse', 'password'],
  ] as const;
  for (const [structuredContent, text, id] of cases) {
    const { result } = sanitize(executed(JSON.stringify({ content: [{ type: 'text', text }], structuredContent })));
    assert.ok(!/f3k29d0a8s7g6h5j|correct7horse/.test(result), result);
    assert.equal(result.split(`[redacted:${id}]`).length, 3, result);
  }
});

test('looks once deep into base64, percent signs and JSON escapes, wherever they begin', () => {
  verifies('output.secrets');
  const percent = (text: string) =>
    [...text].map((char) => `%${char.charCodeAt(0).toString(16).padStart(2, '0')}`).join('');
  for (const [id, all] of Object.entries(samples)) {
    for (const { text, secret } of id === 'card-number' ? [] : all) {
      for (const [before, after] of [
        ['', ''],
        ['id ', ' end'],
        ['a', ''],
        ['/v1/b/', ' '],
      ] as const) {
        // A letter right before it makes a token another word, once it is spelled out; in base64 it only shifts the groups.
        const spelled = before === 'a' ? [] : [percent(text), encodeURIComponent(text), hidden(text)];
        for (const encoded of [
          Buffer.from(text).toString('base64'),
          Buffer.from(text).toString('base64url'),
          Buffer.from(`\u0001${text}`).toString('base64'),
          ...spelled,
        ]) {
          const output = redact(before + encoded + after);
          const opened = [output, unescaped(output), ...decodings(output)];
          assert.ok(
            opened.every((one) => !one.includes(secret)),
            `${id}: ${before}${encoded}`,
          );
        }
      }
    }
  }
});

/** What a reader could make of a text: base64 from each place, percent signs, escapes. */
function decodings(text: string): string[] {
  return [
    ...[0, 1, 2, 3].flatMap((skip) =>
      text.split(/[^A-Za-z0-9+/_=-]+/).map((run) => Buffer.from(run.slice(skip), 'base64').toString('latin1')),
    ),
    text.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16))),
  ];
}

function unescaped(text: string): string {
  return text.replace(/\\u([0-9a-f]{4})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
}

test('knows a secret by the name of its member, of its array, or of a sibling', () => {
  for (const [result, gone] of [
    ['{"structuredContent":{"password":"correct7horse"}}', 'correct7horse'],
    ['{"structuredContent":{"api_keys":["f3k29d0a8s7g6h5j"]}}', 'f3k29d0a8s7g6h5j'],
    ['{"structuredContent":{"env":[{"name":"SESSION_TOKEN","value":"f3k29d0a8s7g6h5j"}]}}', 'f3k29d0a8s7g6h5j'],
    ['{"structuredContent":{"pass\\u0077ord":"correct7horse"}}', 'correct7horse'],
  ] as const) {
    const { result: output } = sanitize(executed(result));
    assert.ok(!output.includes(gone), output);
  }
  const harmless =
    '{"nextPageToken":"f3k29d0a8s7g6h5j","tokens":4096,"secret_name":"f3k29d0a8s7g6h5j","token_count":"1234567890"}';
  assert.equal(sanitize(executed(harmless)).result, harmless);
});

test('finds a card number that is a JSON number, and leaves other numbers alone', () => {
  assert.equal(sanitize(executed('{"n": 4000123412341234 }')).result, '{"n": "[redacted:card-number]" }');
  for (const spelled of ['4.000123412341234e15', '400012341234123.4E+1', '4000123412341234.0', '0.4000123412341234e16'])
    assert.equal(sanitize(executed(`{"n":${spelled}}`)).result, '{"n":"[redacted:card-number]"}');
  for (const number of [
    '4000123412341235',
    '4.000123412341235e15',
    '4.0001234123412345e15',
    '4000123412341234e-30',
    '4000123412341234e2',
    '4000123412341234.5',
    '0.4000123412341234',
    '1700000000000',
    '-1',
    '1e300',
    '0e+1',
    '-0.0E12',
  ]) {
    assert.equal(sanitize(executed(`{"n":${number}}`)).result, `{"n":${number}}`);
  }
  // Up to eleven digits are no card, however they are spelled.
  const spelled = /^-?(0|[1-9][0-9]{0,5})(\.[0-9]{1,5})?([eE][+-]?[0-5])?$/;
  fc.assert(
    fc.property(fc.stringMatching(spelled), (number) => {
      assert.equal(sanitize(executed(`{"n":${number}}`)).result, `{"n":${number}}`);
    }),
  );
});

test('rewrites the strings that held a secret and not one byte else', () => {
  const json = fc.json().map((text) => text);
  const space = fc.constantFrom('', ' ', '\n\t');
  fc.assert(
    fc.property(
      json,
      json,
      space,
      fc.constantFrom(JSON.stringify(aws), `"${hidden(aws)}"`, `" ${aws}\\n"`),
      (before, after, gap, secret) => {
        fc.pre(
          Object.keys(redactJson(before).findings).length === 0 && Object.keys(redactJson(after).findings).length === 0,
        );
        const text = `{${gap}"a":${before},${gap}"s":${gap}${secret}${gap},"z":${after}}`;
        const expected = JSON.stringify((JSON.parse(secret) as string).replace(aws, '[redacted:aws-access-key-id]'));
        assert.equal(redactJson(text).json, `{${gap}"a":${before},${gap}"s":${gap}${expected}${gap},"z":${after}}`);
      },
    ),
  );
});

test('a clean result passes byte for byte', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      const result = `{ "value" :\t${text}, "e": "\\u00e9\\/\\u0041" }`;
      fc.pre(Object.keys(redactJson(result).findings).length === 0);
      const { result: output, redacted } = sanitize(executed(result));
      assert.equal(output, result);
      assert.equal(redacted, undefined);
    }),
  );
});

test('puts our sealed state behind the filter, to which it could look like a secret', () => {
  verifies('output.secrets');
  const { result, redacted } = sanitize(executed(`{"resultType":"input_required"}`, github));
  assert.equal(result, `{"resultType":"input_required","requestState":"${github}"}`);
  assert.equal(redacted, undefined);
});

test('two keys with secrets stay two keys', () => {
  const other = `AKIA${aws.slice(4).split('').reverse().join('')}`;
  const { result } = sanitize(executed(`{"${aws}":1,"${other}":2}`));
  assert.deepEqual(JSON.parse(result), { '[redacted:aws-access-key-id]': 1, '[redacted:aws-access-key-id] 2': 2 });
  // A server that places the second name itself gets no duplicate key past us.
  refuses(`{"${aws}":1,"${other}":2,"[redacted:aws-access-key-id] 2":3}`, 'upstream', /duplicate/);
});

test('what a cursor of ours wraps has been filtered before', () => {
  verifies('output.secrets');
  const wrapping = sanitizeStage({
    outbound: (_call, raw) => JSON.stringify({ nextCursor: Buffer.from(raw).toString('base64url') }),
    fit: whole,
  });
  const { result, redacted } = wrapping(executed(`{"nextCursor":"c ${github}"}`), undefined);
  assert.ok(!Buffer.from(JSON.parse(result).nextCursor, 'base64url').includes(github));
  assert.deepEqual(redacted, { 'github-token': 1 });
});

test('a result with nothing but secrets is an answer like any other', () => {
  const { redacted } = sanitize(executed(JSON.stringify({ text: `${aws} `.repeat(150_000) })));
  assert.equal(redacted?.['aws-access-key-id'], 150_000);
});
