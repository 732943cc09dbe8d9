import assert from 'node:assert/strict';
import type { ServerResponse } from 'node:http';
import { test } from 'node:test';
import fc from 'fast-check';
import { descriptorDigest } from '../../src/control-plane/packages/pins.ts';
import { pinnedFilter } from '../../src/gateway/output-sanitization/pinned.ts';
import { sanitizeStage } from '../../src/gateway/output-sanitization/sanitize.ts';
import { screenStage } from '../../src/gateway/result-injection/screen.ts';
import { EventReader } from '../../src/runtime/upstream/http/event-reader.ts';
import { request, stageWith } from '../interaction/support.ts';
import { modern, remoteServer, upstreamOf } from '../runtime/remote-server.ts';
import { verifies } from '../support/verifies.ts';
import { coats, holdsNot, secrets } from './hidden-secrets.ts';
import type { Sample } from './samples.ts';

const screen = screenStage({ action: () => 'record', approved: () => [] });
const sanitized = sanitizeStage({
  outbound: (_call, raw) => raw,
  fit: (_call, whole) => ({ result: whole, cut: undefined }),
});

/** A log message, progress and the answer, as a server sends them on one stream. */
function streamOf(text: string, id: number, modernEra: boolean): string {
  const message = (method: string, params: object) => ({ jsonrpc: '2.0', method: `notifications/${method}`, params });
  const content = [{ type: 'text', text }];
  return [
    message('message', { level: 'error', data: { note: text } }),
    message('progress', { progressToken: 'p', progress: 1, message: text }),
    { jsonrpc: '2.0', id, result: { content, ...(modernEra && { resultType: 'complete' }) } },
  ]
    .map((event) => `data: ${JSON.stringify(event)}\n\n`)
    .join('');
}

test('however an event stream is cut, the same events are read of it, and none with half a secret', () => {
  verifies('output.secrets');
  fc.assert(
    fc.property(secrets, fc.constantFrom(...Object.keys(coats)), fc.boolean(), (sample, coat, era) => {
      const bytes = Buffer.from(streamOf(coats[coat]?.(sample.text) ?? '', 7, era));
      const eventsOf = (...pieces: Buffer[]): string[] => {
        const read: string[] = [];
        const reader = new EventReader(1e6, (data) => read.push(data));
        for (const piece of pieces) reader.push(piece);
        return read;
      };
      const whole = eventsOf(bytes);
      assert.equal(whole.length, 3);
      for (let at = 0; at <= bytes.length; at++)
        assert.deepEqual(eventsOf(bytes.subarray(0, at), bytes.subarray(at)), whole);
      assert.deepEqual(eventsOf(...Array.from(bytes, (_, at) => bytes.subarray(at, at + 1))), whole);
    }),
    { numRuns: 30 },
  );
});

const raw = '{"name":"echo"}';
const pin = { name: 'echo', raw, digest: descriptorDigest(raw) };
const TIMED = { timeout: 300_000 };
const sample: Sample = fc.sample(secrets, { numRuns: 1, seed: 7 })[0] as Sample;

for (const server of ['2025-11-25', '2026-07-28'])
  for (const client of ['2025-11-25', '2026-07-28'])
    test(
      `a remote server of ${server} that cuts its stream at each byte tells a client of ${client} no secret`,
      TIMED,
      async (t) => {
        verifies('output.secrets');
        const isModern = server === '2026-07-28';
        let at = 0;
        const manners: Parameters<typeof remoteServer>[1] = ({ message }, response) => {
          if (message.method !== 'tools/call') return false;
          void cut(response, Buffer.from(streamOf(sample.text, message.id ?? 0, isModern)), at);
          return true;
        };
        const { settings } = await remoteServer(t, isModern ? modern(manners) : manners);
        const upstream = upstreamOf(t, settings);
        const { execute } = stageWith({ server: (call) => upstream.call(call) });
        const length = Buffer.byteLength(streamOf(sample.text, 10, isModern));
        for (at = 0; at < length; at++) {
          const { call, caller, notifications } = request({
            modern: client === '2026-07-28',
            logLevel: 'debug',
            pin,
            params: { _meta: { progressToken: 'p' } },
          });
          const { result } = sanitized(await screen(await execute(call, caller)), undefined);
          assert.equal(notifications.length, 2, `cut at ${at}`);
          for (const bytes of [result, ...notifications]) {
            assert.match(bytes, /\[redacted:/);
            holdsNot(bytes, sample, `cut at ${at}`);
          }
        }
      },
    );

/** Two pieces, of which the second leaves when the first has. */
async function cut(response: ServerResponse, bytes: Buffer, at: number): Promise<void> {
  response.socket?.setNoDelay(true);
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  await new Promise((resolve) => response.write(bytes.subarray(0, Math.max(1, at)), resolve));
  await new Promise(setImmediate);
  response.end(bytes.subarray(Math.max(1, at)));
}

test('what is answered from the pins passes the filter too: instructions, names, titles, schemas, in each coat', () => {
  verifies('output.secrets');
  const filter = pinnedFilter();
  fc.assert(
    fc.property(secrets, fc.constantFrom(...Object.keys(coats)), (one, coat) => {
      const said = coats[coat]?.(one.text) ?? '';
      const inputSchema = { type: 'object', properties: { key: { type: 'string', examples: [said], default: said } } };
      const told = JSON.stringify({
        ...{ instructions: said, serverInfo: { name: 'srv', title: said } },
        tools: [{ name: 'echo', title: said, description: said, inputSchema, annotations: { title: said } }],
      });
      for (const bytes of [filter(told), filter(told)]) holdsNot(bytes, one, coat);
    }),
    { numRuns: 200 },
  );
  const clean = '{"tools":[{"name":"echo","description":"Says it again."}]}';
  assert.equal(filter(clean), clean);
});
