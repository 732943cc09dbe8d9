import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { AuditRecord } from '../../src/contract/audit-sink.ts';
import { Refusal } from '../../src/contract/refusal.ts';
import { Authenticated, type Executed } from '../../src/contract/tool-call.ts';
import { AuditTrail } from '../../src/gateway/audit/trail.ts';
import { upstreamError } from '../../src/gateway/execution/refusals.ts';
import { redact } from '../../src/gateway/output-sanitization/redact.ts';
import { redactJson } from '../../src/gateway/output-sanitization/redact-json.ts';
import { sanitizeStage } from '../../src/gateway/output-sanitization/sanitize.ts';
import { refusalAnswer } from '../../src/gateway/protocol/respond.ts';
import { screenStage } from '../../src/gateway/result-injection/screen.ts';
import { LineReader } from '../../src/runtime/upstream/lines.ts';
import { accepted, request, result, type Server, stageWith } from '../interaction/support.ts';
import { verifies } from '../support/verifies.ts';
import { coats, holdsNot, secrets } from './hidden-secrets.ts';

/** Where in a result it may stand. */
const carriers: Readonly<Record<string, (text: string) => object>> = {
  text: (text) => ({ content: [{ type: 'text', text }] }),
  'structured content': (text) => ({ content: [], structuredContent: { rows: [[1, { a: text }]] } }),
  'a key': (text) => ({ structuredContent: { [text]: 1 } }),
  'a tool error': (text) => ({ isError: true, content: [{ type: 'text', text }] }),
  'an embedded resource': (text) => ({ content: [{ type: 'resource', resource: { uri: 'a://b', text } }] }),
  'a resource': (text) => ({ contents: [{ uri: `a://b?${encodeURIComponent(text)}`, text }] }),
  'a blob': (text) => ({ contents: [{ uri: 'a://b', blob: Buffer.from(text).toString('base64') }] }),
  'a prompt': (text) => ({ description: text, messages: [{ role: 'user', content: { type: 'text', text } }] }),
  'a title': (text) => ({ content: [{ type: 'resource_link', uri: 'a://b', name: text, title: text }] }),
  metadata: (text) => ({ _meta: { 'x/y': text } }),
};

const coat = fc.constantFrom(...Object.keys(coats));
const coated = (name: string, text: string): string => coats[name]?.(text) ?? text;
const screen = screenStage({ action: () => 'record', approved: () => [] });
const sanitized = sanitizeStage({
  outbound: (_call, raw) => raw,
  fit: (_call, whole) => ({ result: whole, cut: undefined }),
});
const sanitize = async (call: Executed) => sanitized(await screen(call), undefined);

test('a secret in any carrier and coat, of either era, cut at any byte, is in nothing that a client gets', async () => {
  verifies('output.secrets');
  await fc.assert(
    fc.asyncProperty(
      secrets,
      fc.constantFrom(...Object.keys(carriers)),
      coat,
      fc.boolean(),
      async (sample, carrier, name, modern) => {
        const value = carriers[carrier]?.(coated(name, sample.text)) ?? {};
        const raw = JSON.stringify(modern ? { ...value, resultType: 'complete' } : value);
        for (const line of cuts(raw)) assert.equal(line, raw);
        const server: Server = async () => ({ kind: 'result', raw });
        const { call, caller } = request({ modern });
        const { result: bytes } = await sanitize(await stageWith({ server }).execute(call, caller));
        holdsNot(bytes, sample, `${carrier}, ${name}`);
      },
    ),
    { numRuns: 300 },
  );
});

/** The line as it is read when its bytes come in two pieces, cut at each place. */
function cuts(raw: string): string[] {
  const bytes = Buffer.from(`${raw}\n`);
  return Array.from({ length: bytes.length + 1 }, (_, at) => {
    const lines = new LineReader(1_000_000);
    const read = [...lines.push(bytes.subarray(0, at)), ...lines.push(bytes.subarray(at))];
    assert.equal(read.length, 1);
    return Buffer.from(read[0] ?? []).toString();
  });
}

test('nor in what it is told or asked in mid-call, in either era', async () => {
  verifies('output.secrets');
  await fc.assert(
    fc.asyncProperty(secrets, coat, async (sample, name) => {
      const text = coated(name, sample.text);
      const asked = { message: text, requestedSchema: { type: 'object', properties: { n: { type: 'string' } } } };
      const sampling = {
        messages: [{ role: 'user', content: { type: 'text', text } }],
        systemPrompt: text,
        maxTokens: 9,
      };
      const got: string[] = [];
      const server: Server = async (upstream) => {
        const notify = (method: string, params: object) =>
          upstream.notify(JSON.stringify({ jsonrpc: '2.0', method: `notifications/${method}`, params }));
        notify('progress', { progressToken: 'p', progress: 1, message: text });
        notify('message', { level: 'error', logger: text, data: { deep: [text] } });
        if (upstream.ask !== undefined) {
          await upstream.ask({ method: 'elicitation/create', params: JSON.stringify(asked) });
          await upstream.ask({ method: 'sampling/createMessage', params: JSON.stringify(sampling) });
        }
        return result({ content: [] });
      };
      const { call, caller, notifications } = request({
        params: { _meta: { progressToken: 'p' } },
        ask: async ({ params }) => {
          got.push(params);
          return result(accepted('n'));
        },
      });
      await stageWith({ server }).execute(call, caller);
      assert.equal(notifications.length, 2);
      const round: Server = async () =>
        result({
          resultType: 'input_required',
          inputRequests: {
            a: { method: 'elicitation/create', params: asked },
            b: { method: 'sampling/createMessage', params: sampling },
          },
        });
      const later = request({ modern: true });
      const { result: bytes } = await sanitize(await stageWith({ server: round }).execute(later.call, later.caller));
      for (const one of [...notifications, ...got, bytes]) holdsNot(one, sample, name);
      assert.ok(got.length > 0);
    }),
    { numRuns: 150 },
  );
});

test('nor in the refusal, the record and the log line of an error; and the caller is told nothing of it', async () => {
  verifies('output.secrets', 'output.errors');
  await fc.assert(
    fc.asyncProperty(secrets, coat, fc.boolean(), async (sample, name, modern) => {
      const said = coated(name, sample.text);
      const refusal = upstreamError(
        'tools/call',
        JSON.stringify({ code: -32050, message: said, data: { said } }),
        modern,
      );
      assert.ok(refusal instanceof Refusal);
      const { call } = request({ modern });
      const answer = refusalAnswer(refusal, call.arrived, { unauthenticated: 421 } as never, call.frame);
      assert.ok(!answer.body.includes(said.slice(0, 24)) && answer.body.includes('incident'), answer.body);
      const records: AuditRecord[] = [];
      const sink = { append: async (record: AuditRecord) => void records.push(record), close: () => {} };
      const edgeBudget = () => ({ write: true, suppressed: 0 });
      const trail = new AuditTrail({ sink, now: () => 0, redact, digest: (raw) => raw, edgeBudget }, call.arrived, 1);
      trail.authenticated(new Authenticated(call.arrived, call.subject, 0));
      await trail.refused(refusal);
      assert.match(JSON.stringify(records), /-32050/);
      holdsNot(JSON.stringify(records), sample, name);
      holdsNot(redactJson(JSON.stringify({ event: 'fault', error: said })).json, sample, name);
    }),
    { numRuns: 150 },
  );
});
