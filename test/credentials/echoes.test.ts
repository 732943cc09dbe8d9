import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { Echoes, EchoMask } from '../../src/runtime/egress/termination/echo-mask.ts';
import { verifies } from '../support/verifies.ts';
import { ask, lease, loan, notes, SECRET, terminating, testApi } from './support.ts';

const percent = (text: string) => text.replace(/./gs, (c) => `%${c.charCodeAt(0).toString(16).padStart(2, '0')}`);
const base64 = (text: string) => Buffer.from(text, 'latin1').toString('base64');

/** How an API may write what it was sent; each with what of it tells the secret. */
const writings: Readonly<Record<string, (secret: string) => string>> = {
  'as it is': (s) => s,
  'in upper case': (s) => s.toUpperCase(),
  'in JSON': (s) => JSON.stringify(s).slice(1, -1),
  'in JSON, every letter escaped': (s) => s.replace(/./gs, (c) => `\\u00${c.charCodeAt(0).toString(16)}`),
  'in JSON, slashes escaped': (s) => JSON.stringify(s).slice(1, -1).replaceAll('/', '\\/'),
  'in a URL': encodeURIComponent,
  'in a URL, twice': (s) => encodeURIComponent(encodeURIComponent(s)),
  'in a URL, every letter': percent,
  'in a form': (s) => new URLSearchParams({ s }).toString().slice(2),
  'in HTML': (s) => s.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;'),
  'in HTML, by number': (s) => s.replace(/./gs, (c) => `&#${c.charCodeAt(0)};`),
  'in hexadecimal': (s) => Buffer.from(s, 'latin1').toString('hex'),
  'in UTF-16': (s) => Buffer.from(s, 'utf16le').toString('latin1'),
};

suite('a credential that comes back', () => {
  for (const [name, write] of Object.entries(writings)) {
    test(`is found ${name}, wherever the chunks are cut, and nothing else is touched`, () => {
      verifies('secrets.injection');
      const echoes = new Echoes([SECRET]);
      const around = fc.string({ unit: 'grapheme-ascii', maxLength: 40 }).filter((text) => !text.includes('\\'));
      fc.assert(
        fc.property(around, around, fc.array(fc.nat(300), { maxLength: 6 }), (before, after, cuts) => {
          const written = write(SECRET);
          const sent = Buffer.from(`${before}\n${written}\n${after}`, 'latin1');
          const wanted = `${before}\n${'*'.repeat(written.length)}\n${after}`;
          assert.equal(inPieces(new EchoMask(echoes), sent, cuts), wanted);
        }),
        { numRuns: 200 },
      );
    });
  }

  test('is found in base64 at every alignment, in both alphabets, over lines', () => {
    const echoes = new Echoes([SECRET]);
    const plain = echoes.mask(SECRET);
    for (const before of ['', 'a', 'ab', 'Bearer ', '{"authorization":"Bearer '])
      for (const after of ['', '"', '"}', ' and more']) {
        const encoded = base64(before + SECRET + after);
        for (const text of [
          encoded,
          encoded.replaceAll('+', '-').replaceAll('/', '_'),
          encoded.replace(/.{7}/g, '$&\n'),
          encoded.replace(/.{7}/g, '$&\r\n'),
          encodeURIComponent(encoded),
          encoded.replaceAll('/', '\\/'),
        ]) {
          const left = echoes.mask(text).replace(/[\r\n]/g, '');
          // At most one character at each end is shared with its neighbours.
          const bits = Buffer.from(left.replace(/\*+/, ''), 'base64').toString('latin1');
          assert.ok(left.includes('*'.repeat(plain.length)), text);
          assert.ok(!bits.includes(SECRET.slice(0, 2)) && !bits.includes(SECRET.slice(-2)), text);
        }
      }
  });

  test('any secret, cut anywhere, among text that is like it', () => {
    // The letter of the mask, beside what is let through, can spell a secret that ends in it; that tells nobody anything.
    const value = fc.stringMatching(/^[!-)+-~]{8,40}$/);
    fc.assert(
      fc.property(value, fc.array(fc.nat(500), { maxLength: 8 }), fc.nat(7), (secret, cuts, like) => {
        const near = secret.slice(0, like + 1);
        const sent = Buffer.from(`${near}${near}${secret}${near}${secret}`, 'latin1');
        const out = inPieces(new EchoMask(new Echoes([secret])), sent, cuts);
        assert.equal(out.length, sent.length);
        assert.ok(!out.toLowerCase().includes(secret.toLowerCase()));
      }),
      { numRuns: 500 },
    );
  });

  test('what only begins like one is let through, at the latest at the end', () => {
    const echoes = new Echoes([SECRET]);
    for (const text of [SECRET.slice(0, -1), `${SECRET.slice(0, 10)} other`, 's', 'sssss', '%73%6', '']) {
      assert.equal(echoes.mask(text), text);
      assert.equal(inPieces(new EchoMask(echoes), Buffer.from(text), [1, 2, 3]), text);
    }
  });

  test('never holds back more than one secret in its longest form', () => {
    const mask = new EchoMask(new Echoes([SECRET]));
    let [sent, got] = [0, 0];
    for (const piece of Array.from({ length: 2000 }, () => Buffer.from(SECRET.slice(0, 20)))) {
      sent += piece.length;
      got += mask.push(piece).length;
      assert.ok(sent - got <= SECRET.length * 6);
    }
  });
});

suite('an API that answers with what it was sent', () => {
  test('the tool sees neither in body nor in any part of the head', async (t) => {
    verifies('secrets.injection');
    const api = await testApi(t, (request, response) => {
      const sent = request.headers.authorization ?? '';
      const token = sent.slice('Bearer '.length);
      response.statusMessage = `Got ${token}`;
      response.writeHead(request.url === '/v1/redirect' ? 302 : 200, {
        Location: `https://elsewhere.example/?t=${encodeURIComponent(token)}`,
        'Set-Cookie': [`a=${token}`, `b=${base64(sent)}`],
        'X-Echo': JSON.stringify({ sent }),
        Trailer: 'X-Late',
        'Content-Type': 'application/json',
      });
      response.write(`{"headers":${JSON.stringify(request.headers)},"raw":"`);
      for (const letter of token) response.write(letter);
      response.write(`","b64":"${base64(sent)}","url":"${encodeURIComponent(token)}"`);
      response.addTrailers({ 'X-Late': token });
      response.end('}');
    });
    const gate = await terminating(t, api);
    gate.terminator.lend(loan());
    for (const path of ['/v1/echo', '/v1/redirect', '/v1/x?again']) {
      const answer = await ask(gate, path);
      const all = JSON.stringify(answer);
      for (const write of Object.values(writings)) assert.ok(!all.includes(JSON.stringify(write(SECRET)).slice(1, -1)));
      assert.ok(!all.includes(base64(`Bearer ${SECRET}`).slice(12, -4)));
      assert.match(answer.body, /"raw":"\*{35}"/);
      assert.match(String(answer.headers.location), /^https:\/\/elsewhere\.example\/\?t=\*+$/);
    }
    assert.equal(api.seen.length, 3);
  });

  test('the announced length stays true', async (t) => {
    const api = await testApi(t, (request, response) => {
      const body = `you said ${request.headers.authorization}`;
      response.writeHead(200, { 'content-length': body.length });
      response.end(body);
    });
    const gate = await terminating(t, api);
    gate.terminator.lend(loan());
    const { headers, body } = await ask(gate, '/v1/echo');
    assert.deepEqual([body, headers['content-length']], [`you said Bearer ${'*'.repeat(SECRET.length)}`, '51']);
  });

  test('an encoded answer is asked not to come, and refused when it does', async (t) => {
    verifies('secrets.injection');
    const api = await testApi(t, (request, response) => {
      response.setHeader('content-encoding', 'gzip');
      response.end(gzipSync(String(request.headers.authorization)));
    });
    const gate = await terminating(t, api);
    gate.terminator.lend(loan());
    const answer = await ask(gate, '/v1/echo', { headers: { 'accept-encoding': 'gzip' } });
    assert.deepEqual([answer.status, api.seen[0]?.headers['accept-encoding']], [502, 'identity']);
  });

  test('another path of the host, or another host, that tells it later is seen through too', async (t) => {
    let kept = '';
    const api = await testApi(t, (request, response) => {
      kept ||= request.headers.authorization ?? '';
      response.end(kept);
    });
    const gate = await terminating(t, api);
    gate.terminator.lend(loan());
    await ask(gate, '/v1/a');
    assert.equal((await ask(gate, '/v2/last')).body, `Bearer ${'*'.repeat(SECRET.length)}`);
  });

  test('a password is known without its base64 (RFC 7617)', async (t) => {
    const api = await testApi(t, (request, response) => {
      const given = String(request.headers.authorization).slice('Basic '.length);
      response.end(`${given} ${Buffer.from(given, 'base64')}`);
    });
    const gate = await terminating(t, api, { secrets: [{ ...notes, template: 'Basic {value}' }] });
    gate.terminator.lend(loan(lease({ value: base64('alice:open-sesame') })));
    const [encoded = '', decoded] = (await ask(gate, '/v1/a')).body.split(' ');
    assert.equal(decoded, 'alice:***********');
    assert.match(encoded, /\*{14}.{0,2}$/);
  });
});

function inPieces(mask: EchoMask, bytes: Buffer, cuts: readonly number[]): string {
  const ends = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  const parts = [...ends, bytes.length].map((end, index) => Buffer.from(bytes.subarray(ends[index - 1] ?? 0, end)));
  return Buffer.concat([...parts.map((part) => mask.push(part)), mask.end()]).toString('latin1');
}
