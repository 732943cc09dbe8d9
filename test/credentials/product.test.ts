import assert from 'node:assert/strict';
import { chmodSync, cpSync, mkdirSync, readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { absent } from '../sandbox/support/hosted.ts';
import { callText, post, type Reply } from '../support/http.ts';
import { family } from '../support/processes.ts';
import { type Product, Workspace } from '../support/product.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { API, bytesBelow, openApi, type TestApi } from './support.ts';

const OTHER = 'other.example.org';
const VALUES: Readonly<Record<string, string>> = {
  alice: 'sk_live_alice-4eC39HqLyjWDarjtT1zdp7dc',
  bob: 'sk_live_bob-0f3b1c6d5e9a8b7c6d5e4f3a',
  rotated: 'sk_live_alice-after-the-rotation-77',
};

const config = (port: number) => `edge: { listen: "127.0.0.1:0" }
admin: { listen: "127.0.0.1:0" }
limits: { per_subject: { rate: 100000/min, burst: 10000 } }
servers:
  notes:
    root: ./tool
    command: [node, server.mjs]
    mounts: [{ from: ./out, to: /out, mode: rw }]
    sandbox:
      # A tool that looks through all of its memory takes its time on a busy machine.
      deadline: 5m
      egress:
        - { host: ${API}, port: ${port}, network: 127.0.0.0/8, ca: ./api.pem }
        - { host: ${OTHER}, port: ${port}, network: 127.0.0.0/8, ca: ./api.pem, inspect: true }
    secrets:
      - { ref: notes-api, host: ${API}, port: ${port}, methods: [GET], paths: [/v1/*], header: "Authorization: Bearer {value}" }
`;
const policy = ['acme', 'rival']
  .map(
    (tenant) =>
      `permit (principal in Tenant::"${tenant}", action in [Action::"notes/fetch", Action::"notes/search"], resource == Tenant::"${tenant}");\n`,
  )
  .join('');

suite('a credential that the product adds on the wire', { skip: absent('bubblewrap') || absent('root') }, () => {
  let workspace: Workspace;
  let product: Product;
  let api: TestApi;
  const tokens: Record<string, string> = {};
  const waiting: (() => void)[] = [];
  const answer = (request: IncomingMessage, response: ServerResponse) => {
    const end = () => response.end(JSON.stringify({ url: request.url, headers: request.headers }));
    if (request.url === '/v1/slow') waiting.push(end);
    else if (request.url === '/v1/away')
      response.writeHead(302, { location: `https://${OTHER}:${api.port}/v1/` }).end();
    else end();
  };

  before(async () => {
    api = await openApi(answer, [API, OTHER]);
    workspace = new Workspace({
      'innerkeep.yaml': config(api.port),
      'policies/p.cedar': policy,
      'api.pem': api.ca,
      hosts: `127.0.0.1 localhost ${API} ${OTHER}\n`,
    });
    mkdirSync(join(workspace.dir, 'out'));
    chmodSync(join(workspace.dir, 'out'), 0o777);
    chmodSync(workspace.dir, 0o755);
    cpSync(join(import.meta.dirname, 'tool'), join(workspace.dir, 'tool'), { recursive: true });
    await workspace.must('add', './tool', '--name', 'notes', '--yes', '--', 'node', 'server.mjs');
    for (const subject of ['alice', 'bob']) await put('put', subject, VALUES[subject] ?? '');
    // The two names are on this machine for the product alone.
    workspace.within = ['unshare', '--mount', 'sh', '-c', 'mount --bind hosts /etc/hosts && exec "$@"', 'sh'];
    product = await workspace.up();
    for (const subject of ['alice', 'bob', 'dave'])
      tokens[subject] = await product.token('--subject', subject, '--tenant', 'acme');
    tokens.rival = await product.token('--subject', 'alice', '--tenant', 'rival');
  });
  after(async () => {
    for (const end of waiting) end();
    await product?.stop();
    workspace?.remove();
    await api?.[Symbol.asyncDispose]();
  });

  async function put(verb: string, subject: string, value: string): Promise<void> {
    const name = ['notes-api', '--tenant', 'acme', '--subject', subject];
    const ran = await workspace.pipe(`${value}\n`, 'secrets', verb, ...name);
    assert.equal(ran.code, 0, ran.stderr);
  }
  const call = (who: string, tool: string, args: object): Promise<Reply> =>
    post(product, callText(`notes__${tool}`, JSON.stringify(args)), { token: tokens[who] });
  const fetched = async (who: string, path: string, more: object = {}) => {
    const reply = await call(who, 'fetch', { url: `https://${API}:${api.port}${path}`, ...more });
    assert.ok(reply.json?.result, reply.text + product.stderr());
    return JSON.parse(reply.json.result.content[0].text);
  };
  const leases = async () => JSON.parse(await workspace.must('secrets', 'leases', '--json')).leases;

  test('it reaches the API, and is nowhere in the sandbox, nor in what the client gets, nor on this disk', async () => {
    verifies('secrets.injection');
    const mark = 'mark-that-the-tool-has-in-its-memory';
    const reply = await call('alice', 'search', { url: `https://${API}:${api.port}/v1/notes`, mark });
    assert.ok(reply.json.result, reply.text + product.stderr());
    const { said, looked, memory } = JSON.parse(reply.json.result.content[0].text);
    const [seen] = api.seen.splice(0);
    assert.deepEqual(
      [seen?.headers.authorization, seen?.headers['x-mark'], said.status],
      [`Bearer ${VALUES.alice}`, mark, 200],
    );
    // The API told everything that it was sent, and the tool looked everywhere.
    assert.match(said.body, /"authorization":"Bearer \*{38}"/);
    assert.ok(looked > 10 && memory > 1 << 20, `${looked} places, ${memory} bytes of memory`);
    const out = bytesBelow(join(workspace.dir, 'out'));
    assert.ok(out.get('memory')?.includes(mark));
    const places = [...out, ...bytesBelow(join(workspace.dir, '.innerkeep'))];
    places.push(['answer', Buffer.from(reply.text)], ['log', Buffer.from(product.stderr())]);
    for (const [place, bytes] of places)
      for (const form of ['utf8', 'utf16le', 'base64', 'hex'] as const) {
        const needle =
          form === 'utf16le'
            ? Buffer.from(VALUES.alice ?? '', form)
            : Buffer.from(VALUES.alice ?? '').toString(form === 'utf8' ? 'utf8' : form);
        assert.equal(bytes.includes(needle), false, `${place}: ${form}`);
      }
  });

  test('no zone that has it in its memory writes a core', () => {
    const zones = family(product.pid).filter(({ command }) => / zone-\w+ $/.test(command));
    assert.deepEqual(zones.map(({ command }) => /zone-\w+/.exec(command)?.[0]).sort(), [
      ...['zone-control', 'zone-gateway', 'zone-runtime'],
    ]);
    for (const { pid } of zones) assert.match(readFileSync(`/proc/${pid}/limits`, 'utf8'), /Max core file size +0 +0 /);
  });

  test('two subjects at once never see each other’s', async () => {
    verifies('secrets.injection');
    await Promise.all(
      Array.from({ length: 12 }, (_, n) => {
        const who = n % 2 === 0 ? 'alice' : 'bob';
        return fetched(who, `/v1/${who}/${n}`);
      }),
    );
    const seen = api.seen.splice(0);
    assert.equal(seen.length, 12);
    for (const { url, headers } of seen)
      assert.equal(headers.authorization, `Bearer ${VALUES[url.split('/')[2] ?? '']}`, url);
  });

  test('a caller without one is refused before anything happens, and gets nobody else’s (A2)', async () => {
    verifies('secrets.injection');
    for (const [who, words] of [
      ['dave', 'no secret notes-api of dave of acme'],
      ['rival', 'no secret notes-api of alice of rival'],
    ] as const) {
      const reply = await call(who, 'fetch', { url: `https://${API}:${api.port}/v2/open` });
      const { reason, incident } = reply.json.error.data;
      assert.deepEqual([reason, reply.json.error.message], ['policy', 'Not permitted']);
      const records = await workspace.must('audit', 'tail', '--incident', incident);
      assert.ok(records.includes(words) && records.includes('"code":"credential"'), records);
    }
    assert.deepEqual(api.seen, []);
  });

  test('lent from the call’s begin to its end, on record with what it was used for', async () => {
    verifies('secrets.injection');
    assert.deepEqual(await leases(), []);
    const slow = fetched('alice', '/v1/slow');
    await until(() => waiting.length > 0);
    const [lease] = await leases();
    assert.deepEqual(
      [lease.ref, lease.version, lease.server, lease.tenant, lease.subject],
      ['notes-api', 1, 'notes', 'acme', 'alice'],
    );
    assert.equal(JSON.stringify(lease).includes(VALUES.alice ?? ''), false);
    waiting.shift()?.();
    assert.equal((await slow).status, 200);
    await until(async () => (await leases()).length === 0);
    const records = (await workspace.must('audit', 'tail', '--incident', lease.incident)).trim().split('\n');
    const told = records.map((line) => JSON.parse(line)).map(({ event, detail }) => `${event} ${detail ?? ''}`.trim());
    assert.match(told.join('\n'), /^intent\nlease notes-api version 1 until 20\S+\n/);
    assert.ok(told.includes(`revoke notes-api; used for ${API}/v1/* with notes-api: 1 times`), told.join('\n'));
    api.seen.splice(0);
  });

  test('nothing goes where no rule sends it: other methods, paths, hosts, fronts, redirects', async () => {
    verifies('secrets.injection');
    const url = `https://${OTHER}:${api.port}/v1/notes`;
    const own = { authorization: 'Bearer of-the-tool' };
    await fetched('alice', '/v1/notes', { method: 'DELETE', headers: own });
    await fetched('alice', '/v2/notes', { headers: own });
    await fetched('alice', '/', { url, headers: own });
    const front = await fetched('alice', '/', { url, host: `${API}:${api.port}` });
    const away = await fetched('alice', '/v1/away');
    assert.deepEqual([front.status, away.status], [400, 302]);
    assert.deepEqual(
      api.seen.splice(0).map(({ method, url: path, headers }) => [method, path, headers.host, headers.authorization]),
      [
        ['DELETE', '/v1/notes', `${API}:${api.port}`, undefined],
        ['GET', '/v2/notes', `${API}:${api.port}`, undefined],
        ['GET', '/v1/notes', `${OTHER}:${api.port}`, 'Bearer of-the-tool'],
        ['GET', '/v1/away', `${API}:${api.port}`, `Bearer ${VALUES.alice}`],
      ],
    );
  });

  test('a rotated value counts from the next call on', async () => {
    await put('rotate', 'alice', VALUES.rotated ?? '');
    await fetched('alice', '/v1/notes');
    assert.equal(api.seen.splice(0)[0]?.headers.authorization, `Bearer ${VALUES.rotated}`);
  });
});
