import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import { createFilter } from '../../src/gateway/output-sanitization/filter.ts';
import { inspect, redact } from '../../src/gateway/output-sanitization/redact.ts';
import { REACH } from '../../src/gateway/output-sanitization/rule.ts';
import { rules } from '../../src/gateway/output-sanitization/rules/index.ts';
import { verifies } from '../support/verifies.ts';
import { filled, sampleOf, samples } from './samples.ts';

function streamed(chunks: readonly string[]): string {
  const filter = createFilter();
  return chunks.map((chunk) => filter.push(chunk)).join('') + filter.end();
}

function cut(text: string, at: readonly number[]): string[] {
  const places = [0, ...at.map((part) => part % (text.length + 1)).sort((a, b) => a - b), text.length];
  return places.slice(1).map((place, index) => text.slice(places[index], place));
}

test('replaces every kind of secret that a rule knows by a marker that names the kind', () => {
  verifies('output.secrets');
  for (const [id, all] of Object.entries(samples)) {
    for (const { text, secret } of all) {
      const { text: output, findings } = inspect(`before ${text} after`);
      assert.ok(!output.includes(secret), `${id}: ${output}`);
      assert.ok(output.includes(`[redacted:${id}]`), `${id}: ${output}`);
      assert.ok(output.startsWith('before ') && output.includes('after'), `${id}: ${output}`);
      assert.ok((findings[id] ?? 0) > 0);
    }
  }
});

test('finds what each rule gives as an example, whatever is drawn, and spares what it says it spares', () => {
  verifies('output.secrets');
  for (const { id, examples, spares = [] } of rules) {
    assert.ok(examples.length > 0, id);
    for (let seed = 0; seed < 25; seed++) {
      for (const example of examples) {
        const { text, secret } = sampleOf(example, `${seed}`);
        assert.ok(!redact(text).includes(secret), `${id}: ${text}`);
      }
      for (const spare of spares) {
        const { text } = sampleOf(spare, `${seed}`);
        assert.equal(redact(text), text, id);
      }
    }
  }
});

test('spares what documentation writes in place of a secret', () => {
  // A format that is filled up, in any alphabet that has the letter, or typed off the alphabet is nobody's secret.
  for (const { id, examples } of rules) {
    // The frames of keys and manifests say what is in them, whatever it is.
    if (/private-key|jwt|kubernetes|basic-credentials|card-number/.test(id)) continue;
    for (const example of examples) {
      for (const fill of ['x', 'X', '*', '.']) {
        const { text } = sampleOf(filled(example, (_, length) => fill.repeat(length)));
        assert.equal(redact(text), text, id);
      }
    }
  }
});

test('finds a secret wherever it is cut', () => {
  verifies('output.secrets');
  for (const [id, all] of Object.entries(samples)) {
    for (const { text } of all) {
      const whole = `a, ${text}, z`;
      const expected = redact(whole);
      for (let at = 0; at <= whole.length; at++)
        assert.equal(streamed([whole.slice(0, at), whole.slice(at)]), expected, `${id} cut at ${at}`);
      assert.equal(streamed([...whole]), expected, `${id} in single units`);
    }
  }
});

test('what comes out does not depend on where the text was cut', () => {
  const all = Object.values(samples).flat();
  const piece = fc.oneof(
    fc.constantFrom(...all.map(({ text }) => text)),
    fc.constantFrom(...all.map(({ text }) => text.slice(0, -3))),
    fc.string({ unit: 'grapheme', maxLength: 60 }),
    fc.constantFrom(
      ' ',
      '\n',
      '"',
      ': ',
      ' x '.repeat(400),
      'A'.repeat(REACH),
      '4'.repeat(50),
      'token=',
      'eyJ',
      '-----BEGIN ',
      '://u:',
    ),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.array(fc.nat(), { maxLength: 12 }), (pieces, at) => {
      const text = pieces.join('');
      assert.equal(streamed(cut(text, at)), streamed([text]));
    }),
    { numRuns: 400 },
  );
});

test('a secret longer than any window is replaced to its end', () => {
  const body = (length: number) => 'Ab3_'.repeat(length / 4);
  const jwt = `eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJ${body(40_000)}.${body(512)}`;
  const pem = `-----BEGIN RSA PRIVATE KEY-----\n${'Ab3+/defghijklmnop==\n'.repeat(2000)}-----END RSA PRIVATE KEY-----`;
  for (const [secret, left] of [
    [jwt, ''],
    [pem, '-----END RSA PRIVATE KEY-----'],
  ] as const) {
    const text = `x "${secret}" y`;
    const chunks = cut(
      text,
      Array.from({ length: 100 }, (_, n) => n * 397),
    );
    assert.match(redact(text), new RegExp(`^x "\\[redacted:[a-z-]+\\]${left}" y$`));
    assert.equal(streamed(chunks), redact(text));
  }
});

test('never holds back more than a window', () => {
  const filter = createFilter();
  let given = 0;
  let taken = 0;
  for (let n = 0; n < 2000; n++) {
    const chunk = `line ${n} of some log, token count ${n}\n`;
    taken += chunk.length;
    given += filter.push(chunk).length;
    assert.ok(taken - given <= 1024 + 128 + chunk.length);
  }
  assert.equal(given + filter.end().length, taken);
});

test('finds a secret behind any character that is neither letter nor digit of ASCII', () => {
  verifies('output.secrets');
  const { text, secret } = sampleOf('ghp_{mixed:36}');
  // The low bytes of U+0131, U+0441 and U+4E61 are those of a digit and of letters.
  for (const before of ['ı', 'с', '乡', 'é', '😀', '-', ' ']) {
    assert.ok(!redact(before + text).includes(secret), before);
    assert.ok(!streamed([before, text]).includes(secret), before);
  }
});

test('a word with percent signs and an emoji keeps both, and loses the secret', () => {
  verifies('output.secrets');
  const { text } = sampleOf('ghp_{mixed:36}');
  const output = redact(`https://x.example/?q=caf%C3%A9&next=${text.replace('_', '%5F')}😀 next`);
  assert.equal(output, 'https://x.example/?q=caf%C3%A9&next=[redacted:github-token]😀 next');
});

test('text without a secret comes back as the very same text', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ unit: 'grapheme' })), (parts) => {
      const text = parts.join(' ');
      if (Object.keys(inspect(text).findings).length === 0) assert.equal(redact(text), text);
    }),
  );
  for (const text of harmless()) assert.equal(redact(text), text);
});

function harmless(): string[] {
  const hex = (bytes: number) => randomBytes(bytes).toString('hex');
  return [
    'The password must be at least eight characters. Your token has expired; the secret is kept in a vault.',
    'max_tokens: 4096, token_count=1234, "totalTokens": 99120, tokenizer: cl100k_base, token_type: Bearer',
    '"nextPageToken": "CAUQAA1b2c3d4e5f6g7h8", "continuation_token": "a8f3k2l9d0s8f7g6h5"',
    'const token = process.env.GITHUB_TOKEN; password = os.environ["DB_PASSWORD"]; apiKey: config.get("api.key")',
    'api_key: ${API_KEY}, password=<your-password>, secret: "********", token: {{ secrets.TOKEN }}',
    'https://user:password@example.org/ and https://example.org:8443/a@b and postgres://localhost:5432/db',
    'Authorization: Bearer <token>. Use basic authentication, or a bearer token.',
    'integrity sha512-Gx8Pv5WmQ0hXo1n9rN7Yb2vJkK0cUeT4zR6sLqDfAaHi3pMw5yE8uOtBxCgV7jZlS1dFnIkQrP2oWm9XhTbU4g==',
    '-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkq\n-----END PUBLIC KEY-----',
    '550e8400-e29b-41d4-a716-446655440000, 1700000000000, 0.4242424242424242, 192.168.100.101, +49 30 1234 5678',
    'order 4242424242424241, card •••• 4242, 4111-1111-1111-1112, ISBN 978-3-16-148410-0, 12345678901234567890123',
    ...Array.from(
      { length: 50 },
      () => `sha ${hex(20)}, digest ${hex(32)}, etag "${randomBytes(16).toString('base64')}"`,
    ),
  ];
}

test('work grows with the text and not with its square', () => {
  // Shapes that begin like secrets, over and over; at this size a quadratic step would take minutes.
  const shapes = [
    'eyJ',
    'token',
    'password=',
    'sk-',
    '://a:',
    '4242',
    '4242 ',
    'A'.repeat(64),
    '-----BEGIN ',
    'Bearer ',
    'ghp_',
    'ey.',
    ':A',
    'authorization:',
    'ABSK=',
    'dp.pt.',
  ];
  for (const shape of shapes) assert.equal(typeof redact(shape.repeat(300_000 / shape.length)), 'string');
});

test('a short password under an accented name is found in base64 at every place of its groups', () => {
  verifies('output.secrets');
  for (const before of ['', 'a', 'ab', 'abc']) {
    const { text, secret } = sampleOf(`${before} contraseña: «{mixed:6}!4»`);
    const coded = redact(`data: ${Buffer.from(text).toString('base64')}`).replace('data: ', '');
    const read = Buffer.from(coded, 'base64').toString();
    assert.ok(read.includes('contraseña: [redacted:') && !read.includes(secret), read);
  }
});
