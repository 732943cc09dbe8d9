import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openFileSink } from '../../src/drivers/audit-sink/file.ts';
import { freePort } from '../support/free-port.ts';
import { callText, post, type Reply } from '../support/http.ts';
import { Workspace } from '../support/product.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { ZoneProcess } from './support/zones.ts';

const TIMED = { timeout: 300_000 };
const remote = createServer(async (request, response) => {
  let body = '';
  for await (const chunk of request) body += chunk;
  const { id, method } = JSON.parse(body || '{}');
  if (id === undefined) return void response.writeHead(202).end();
  const answers: Readonly<Record<string, unknown>> = {
    initialize: {
      protocolVersion: '2025-11-25',
      capabilities: { tools: {} },
      serverInfo: { name: 'notes', version: '1' },
    },
    'tools/list': {
      tools: ['look', 'write'].map((name) => ({ name, inputSchema: { type: 'object', properties: {} } })),
    },
    'tools/call': { content: [{ type: 'text', text: 'done' }] },
  };
  response.writeHead(200, { 'content-type': 'application/json' });
  const unknown = { error: { code: -32601, message: 'no such method' } };
  response.end(JSON.stringify({ jsonrpc: '2.0', id, ...(method in answers ? { result: answers[method] } : unknown) }));
});
const permit = (...names: readonly string[]): string =>
  names
    .map(
      (name) => `permit (principal == User::"alice", action == Action::"notes/${name}", resource == Tenant::"acme");\n`,
    )
    .join('');

let workspace: Workspace;
let dialled = 0;
let mcp = '';
let control: ZoneProcess;
let gateway: ZoneProcess;
let token = '';
const path = (...names: readonly string[]): string => join(workspace.dir, ...names);
/** With owners and modes. */
const backUp = (from: string, to: string): void => void execFileSync('cp', ['-a', from, to]);
const kept = (name: string): string => path('edge-1', 'gateway', name);
const startControl = () => ZoneProcess.start(workspace.dir, ['control']);
const startGateway = (...words: readonly string[]) =>
  ZoneProcess.start(workspace.dir, ['gateway', '--state', 'edge-1', '--listen', `127.0.0.1:${dialled}`, ...words]);
const call = (tool: string): Promise<Reply> => {
  const ca = readFileSync(path('.innerkeep/pki/ca.pem'), 'utf8');
  return post({ ready: { mcp }, ca }, callText(`notes__${tool}`, '{}'), { token });
};
/** 200, or why not; `closed` where nobody listens. */
const works = (tool: string): Promise<number | string> =>
  call(tool).then(
    ({ status, json }) => (status === 200 ? (json.result === undefined ? json.error.message : 200) : status),
    () => 'closed',
  );
const gateways = async (): Promise<{ name: string; connected: boolean; bundle: number; alerts?: string[] }[]> =>
  JSON.parse(await workspace.must('policy', 'history', '--json')).gateways;

before(async () => {
  remote.listen(0, '127.0.0.1');
  await once(remote, 'listening');
  const address = remote.address();
  dialled = await freePort();
  const edge = await freePort();
  mcp = `https://localhost:${edge}/mcp`;
  workspace = new Workspace({
    'innerkeep.yaml': `edge: { listen: "127.0.0.1:${edge}" }\nadmin: { listen: "127.0.0.1:0" }\nlimits: { per_subject: { rate: 1000/s, burst: 1000 } }\ncontrol: { gateways: { edge-1: "127.0.0.1:${dialled}" }, away: 40s }\n`,
    'policies/p.cedar': permit('look', 'write'),
  });
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/mcp`;
  await workspace.must('add', url, '--name', 'notes', '--yes');
  writeFileSync(path('edge-1.json'), await workspace.must('control', '--enrol', 'edge-1'), { mode: 0o600 });
});
after(async () => {
  await gateway?.stop();
  await control?.stop();
  workspace?.remove();
  remote.close();
});

test(
  'a gateway that zone 0 has not enrolled is not started, and one that it has serves nothing before it is dialled',
  TIMED,
  async () => {
    const { code, stderr } = await workspace.run('control', '--enrol', 'edge-9');
    assert.deepEqual([code, /names no gateway "edge-9"/.test(stderr)], [2, true], stderr);
    await assert.rejects(startGateway(), /exit 2\n.*--identity FILE is needed/s);
    const up = await workspace.run('up');
    assert.deepEqual([up.code, /control\.gateways: .*run `innerkeep control`/.test(up.stderr)], [2, true], up.stderr);
    gateway = await startGateway('--identity', 'edge-1.json');
    rmSync(path('edge-1.json'));
    assert.equal(await works('look'), 'closed');
  },
);

test('zone 0 dials, and what it pushes is in force at the gateway from the next call on', TIMED, async () => {
  verifies('authz.default-deny');
  control = await startControl();
  token = (await workspace.must('token', '--subject', 'alice', '--tenant', 'acme', '--ttl', '1h')).trim();
  await until(async () => (await works('look')) === 200);
  assert.equal(await works('write'), 200);
  cpSync(kept('bundle.dsse.json'), path('older.json'));
  backUp(path('.innerkeep/registry'), path('older-registry'));
  writeFileSync(path('policies/p.cedar'), permit('look'));
  const { changed, bundle } = JSON.parse(
    await workspace.must('policy', 'push', '--json', '--reason', 'no more writing'),
  );
  assert.equal(changed, true);
  assert.match(String(await works('write')), /Unknown tool/);
  assert.deepEqual(await gateways(), [{ name: 'edge-1', connected: true, bundle }]);
});

test(
  'while zone 0 is away a gateway goes on by its last bundle, over a restart of its own, verified again',
  TIMED,
  async () => {
    await control.stop('SIGKILL');
    assert.equal(await works('look'), 200);
    await gateway.stop('SIGKILL');
    gateway = await startGateway();
    assert.equal(await works('look'), 200);
    assert.match(String(await works('write')), /Unknown tool/);
  },
);

test(
  'what was kept and then changed is not served by, nor an older state that somebody has restored',
  TIMED,
  async () => {
    const good = readFileSync(kept('bundle.dsse.json'), 'utf8');
    const heard = readFileSync(kept('heard'), 'utf8');
    const restart = async (envelope: string, at: string): Promise<number | string> => {
      await gateway.stop();
      writeFileSync(kept('bundle.dsse.json'), envelope);
      writeFileSync(kept('heard'), at);
      gateway = await startGateway();
      return works('look');
    };
    const now = String(Date.now());
    assert.equal(
      await restart(
        good.replace(/.(?=.{400}$)/s, (c) => (c === 'A' ? 'B' : 'A')),
        now,
      ),
      503,
    );
    await until(() => /what was kept cannot be used: .*signature does not hold/.test(gateway.stderr()));
    assert.equal(await restart(good.slice(0, -5), now), 503);
    // The whole state directory of an hour ago; and one whose clock is set back to when zone 0 was there.
    assert.equal(await restart(readFileSync(path('older.json'), 'utf8'), String(Date.now() - 3_600_000)), 503);
    assert.equal(await restart(good, String(Date.now() + 3_600_000)), 503);
    await until(() => /zone 0 has been silent|taken-up/.test(gateway.stderr()));
    assert.equal(await restart(good, String(Math.max(Number(heard), Date.now()))), 200);
  },
);

test('after that time it serves nothing, and says so; when zone 0 is back it serves again', TIMED, async () => {
  verifies('observe.audit');
  await until(async () => (await works('look')) === 503);
  const records = readFileSync(kept('audit/audit.jsonl'), 'utf8');
  assert.match(
    records,
    /"event":"bundle","code":"unavailable","detail":"zone 0 has been silent for more than 40 s[^\n]*"alert":true/,
  );
  control = await startControl();
  await until(async () => (await works('look')) === 200);
  assert.match(String(await works('write')), /Unknown tool/);
});

test('a gateway that was away during a push comes up to it when it is back', TIMED, async () => {
  await gateway.stop('SIGKILL');
  writeFileSync(path('policies/p.cedar'), permit('write'));
  const { bundle } = JSON.parse(await workspace.must('policy', 'push', '--json'));
  gateway = await startGateway();
  await until(async () => (await works('write')) === 200);
  assert.match(String(await works('look')), /Unknown tool/);
  await until(async () => (await gateways())[0]?.bundle === bundle);
});

test('zone 0 has the records of a gateway, over all of that, and names one that shows another log', TIMED, async () => {
  verifies('observe.audit');
  const log = kept('audit/audit.jsonl');
  const copy = path('.innerkeep/audit/edge-1/audit.jsonl');
  await until(() => readFileSync(copy, 'utf8') === readFileSync(log, 'utf8'));
  const { gateways: verdicts } = JSON.parse(await workspace.must('audit', 'verify', '--json'));
  assert.equal(verdicts['edge-1'].holds, true);
  assert.ok(verdicts['edge-1'].records > 20, `${verdicts['edge-1'].records} records`);
  await workspace.must('audit', 'verify', log, '--gateway', 'edge-1');
  assert.match(await workspace.must('audit', 'tail', '--gateway', 'edge-1', '-n', '3'), /^\{"seq":/);
  // Somebody has the gateway, and the key of its log: he writes it anew, every signature of it good.
  await gateway.stop();
  const { auditKey } = JSON.parse(readFileSync(kept('opening.json'), 'utf8'));
  rmSync(log);
  const sink = openFileSink(log, auditKey, Date.now);
  for (let at = 0; at < verdicts['edge-1'].records; at++)
    void sink.append({
      time: new Date().toISOString(),
      event: 'edge',
      detail: 'nothing has happened here, and nothing will',
    });
  sink.close();
  await workspace.must('audit', 'verify', log, '--public-key', '.innerkeep/pki/audit-edge-1.pub.pem');
  gateway = await startGateway();
  await until(async () => (await gateways())[0]?.alerts?.[0] !== undefined);
  assert.match((await gateways())[0]?.alerts?.[0] ?? '', /edge-1 does not show the audit log that it had shown before/);
  await until(() => /"event":"alert","gateway":"edge-1","about":"audit","alert":true/.test(control.stderr()));
  const fleet = await workspace.run('audit', 'verify');
  assert.deepEqual([fleet.code, /edge-1: broken .*showed another log/.test(fleet.stdout)], [1, true], fleet.stdout);
  const file = await workspace.run('audit', 'verify', log, '--gateway', 'edge-1');
  assert.deepEqual([file.code, /zone 0 has another record/.test(file.stdout)], [1, true], file.stdout);
  assert.equal(await works('write'), 200);
});

test(
  'zone 0 does not start by an older copy of its registry that was restored: a gateway knows better',
  TIMED,
  async () => {
    const registry = path('.innerkeep/registry');
    await control.stop();
    renameSync(registry, path('newest-registry'));
    backUp(path('older-registry'), registry);
    const before = readdirSync(join(registry, 'versions'));
    await assert.rejects(
      startControl(),
      /exit 3\n.*the gateway edge-1 holds version \d+, signed with zone 0’s key, and the registry ends at \d+: the registry is an older copy; .*restore the newest copy/s,
    );
    // Nothing was signed under a number that is taken.
    assert.deepEqual(readdirSync(join(registry, 'versions')), before);
    assert.equal(await works('write'), 200);
    rmSync(registry, { recursive: true });
    renameSync(path('newest-registry'), registry);
    control = await startControl();
    await until(async () => (await gateways())[0]?.connected === true);
    assert.equal(await works('write'), 200);
  },
);
