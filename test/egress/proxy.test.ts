import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { suite, type TestContext, test } from 'node:test';
import type { EgressAttempt } from '../../src/contract/egress.ts';
import { Bounds, SANDBOX } from '../../src/runtime/egress/bounds.ts';
import { EgressDenied } from '../../src/runtime/egress/denied.ts';
import { Evidence } from '../../src/runtime/egress/evidence.ts';
import { absent, Hosted, processesWith, ServerFiles } from '../sandbox/support/hosted.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { rule, Way } from './support/way.ts';

const NAME = 'raw.example.org';

/** A service on the loopback that does this with each connection. */
async function service(t: TestContext, serve: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    serve(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** One connection by name, as the relay makes it. */
function dialled(way: Way, port: number): Socket {
  const socket = connect({ path: way.proxy.wayOut.socket, allowHalfOpen: true });
  socket.on('error', () => {});
  socket.write(`${NAME}:${port}\n`);
  return socket;
}

/** All that comes; nothing, where the connection is reset. */
async function textOf(socket: Socket): Promise<string> {
  return Buffer.concat(await socket.toArray().catch(() => [])).toString();
}

/** Whether anything comes before the end. */
function answered(socket: Socket): Promise<boolean> {
  return new Promise((resolve) => {
    socket.once('data', () => resolve(true));
    socket.once('close', () => resolve(false));
  });
}

test('a side that has ended is told to the other, which may still speak', async (t) => {
  const port = await service(t, async (socket) => socket.end(`heard ${await textOf(socket)}`));
  using way = await Way.open([rule(NAME, port, { tls: false })], { [NAME]: ['127.0.0.1'] });
  const socket = dialled(way, port);
  socket.end('all I have to say');
  assert.equal(await textOf(socket), 'heard all I have to say');
});

test('a name with one address that it must not have is not connected to at all', async (t) => {
  verifies('sandbox.egress');
  let reached = 0;
  const port = await service(t, () => reached++);
  using way = await Way.open([rule(NAME, port, { tls: false })], { [NAME]: ['127.0.0.1', '10.0.0.1'] });
  assert.equal(await textOf(dialled(way, port)), '');
  assert.deepEqual([reached, way.attempts.map(({ code, alert }) => [code, alert])], [0, [['address', true]]]);
});

test('more connections at once than are allowed are refused, and taken again when one has ended', async (t) => {
  verifies('sandbox.egress');
  const port = await service(t, (socket) => {
    socket.write('hello');
    socket.on('end', () => socket.end()).resume();
  });
  using way = await Way.open([rule(NAME, port, { tls: false })], { [NAME]: ['127.0.0.1'] });
  const held = Array.from({ length: SANDBOX.connections }, () => dialled(way, port));
  assert.deepEqual(new Set(await Promise.all(held.map(answered))), new Set([true]));
  assert.equal(await textOf(dialled(way, port)), '');
  assert.equal(way.attempts.at(-1)?.code, 'limit');
  for (const socket of held) socket.destroy();
  await until(async () => {
    const socket = dialled(way, port);
    const isTaken = await answered(socket);
    socket.destroy();
    return isTaken;
  });
});

test('bytes above the bound end the connection that carries them, and start anew with the period', () => {
  verifies('sandbox.egress');
  let now = 0;
  const server = new Bounds({ connections: 9, bytes: 100, period: 1000 }, () => now);
  const one = new Bounds({ connections: 9, bytes: 80, period: Number.POSITIVE_INFINITY }, () => now, server);
  const other = new Bounds({ connections: 9, bytes: 80, period: Number.POSITIVE_INFINITY }, () => now, server);
  one.spend(80);
  assert.throws(() => one.spend(1), EgressDenied);
  assert.throws(() => other.spend(30), EgressDenied);
  now = 1001;
  other.spend(30);
});

test('a flood of attempts is told in part, and then in sum, with its alarm', () => {
  const told: EgressAttempt[] = [];
  let now = 0;
  const evidence = new Evidence(
    (attempt) => told.push(attempt),
    () => {},
    () => now,
  );
  const detail = `TLS for \x9b2J${'a'.repeat(16_000)}`;
  const attempt = { via: 'connect', target: 'a\nb\x1b[2J', code: 'host', detail, alert: false } as const;
  for (let n = 0; n < 1000; n++) evidence.tell({ ...attempt, alert: n === 900 });
  assert.equal(told.length, 200);
  assert.equal(told[0]?.target, 'a\\x0ab\\x1b[2J');
  assert.match(told[0]?.detail ?? '', /^TLS for \\x9b2Ja{200,300}$/);
  now = 61_000;
  evidence.tell(attempt);
  assert.match(told[200]?.detail ?? '', /^800 further/);
  assert.deepEqual([told[200]?.alert, told.length], [true, 202]);
});

suite('the relay in a sandbox', { skip: absent('bubblewrap') }, () => {
  const download = `
    import { createHash } from 'node:crypto';
    import { connect } from 'node:net';
    const [, , host, port, count] = process.argv;
    const one = (n) => new Promise((resolve, reject) => {
      const hash = createHash('sha256');
      const socket = connect({ host, port: Number(port), allowHalfOpen: true });
      socket.end('give me ' + n + '\\n');
      socket.on('data', (chunk) => hash.update(chunk));
      socket.on('error', reject);
      socket.on('end', () => resolve(hash.digest('hex')));
    });
    console.log(JSON.stringify(await Promise.all(Array.from({ length: Number(count) }, (_, n) => one(n)))));`;

  test('carries many connections at once, byte for byte, and each end', async (t) => {
    const bodies = Array.from({ length: 40 }, (_, n) => randomBytes(n * 20_000));
    const port = await service(t, async (socket) => {
      const n = Number(/^give me (\d+)\n$/.exec(await textOf(socket))?.[1]);
      socket.end(bodies[n] ?? '');
    });
    await using hosted = new Hosted('bubblewrap');
    using way = await Way.open([rule(NAME, port, { tls: false })], { [NAME]: ['127.0.0.1'] });
    using files = new ServerFiles({ 'download.mjs': download });
    const command = ['node', 'download.mjs', NAME, String(port), String(bodies.length)];
    const { stdout, stderr } = await hosted.run(files.profile(command, { wayOut: way.proxy.wayOut }));
    const expected = bodies.map((body) => createHash('sha256').update(body).digest('hex'));
    assert.deepEqual(JSON.parse(stdout || '[]'), expected, stderr);
  });

  test('is gone with its sandbox, and is not there where there is no way out', async () => {
    verifies('sandbox.egress');
    await using hosted = new Hosted('bubblewrap');
    // Told apart from the relays of whoever else runs on this machine.
    const name = `raw-${process.pid}.example.org`;
    using way = await Way.open([rule(name, 443)], {});
    using files = new ServerFiles();
    const marker = `${name}:443`;
    const command = ['sh', '-c', 'echo up; exec sleep 100'];
    const held = await hosted.hold(files.profile(command, { wayOut: way.proxy.wayOut }), 'up');
    assert.equal(processesWith(marker) > 0, true);
    await held.kill();
    await held.ended;
    assert.equal(processesWith(marker), 0);
    const { stdout } = await hosted.run(files.profile(['sh', '-c', 'env; ls /run /etc; cat /proc/[0-9]*/cmdline']));
    assert.doesNotMatch(stdout, /proxy|perl|innerkeep|nsswitch|ssl/i);
  });
});
