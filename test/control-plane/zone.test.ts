import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { Workspace } from '../support/product.ts';
import { home } from '../support/tree.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { ZoneProcess } from './support/zones.ts';

const run = promisify(execFile);
const program = (name: string): string => join(import.meta.dirname, 'programs', name);
/** The namespaces are this test's own, and so are the two ends of the one wire between them. */
const [zone0, zone1] = ['c', 'g'].map((letter) => `ik-${letter}-${process.pid}`) as [string, string];
const [control, edge] = ['10.213.77.1', '10.213.77.2'];
/** Not `ip netns exec`, which hides the control groups that sandboxes need. */
const inside = (zone: string): readonly string[] => ['nsenter', `--net=/run/netns/${zone}`];
const ip = (words: string): void => void execFileSync('ip', words.split(' '));

let workspace: Workspace;
const running: ZoneProcess[] = [];
let token = '';
async function within(zone: string, ...words: readonly string[]): Promise<string> {
  const [command = '', ...args] = [...inside(zone), process.execPath, ...words];
  return (await run(command, args, { cwd: workspace.dir })).stdout;
}
const innerkeep = (zone: string, ...words: readonly string[]) => within(zone, join(home, 'src/main.ts'), ...words);
const start = async (zone: string, ...words: readonly string[]): Promise<void> => {
  running.push(await ZoneProcess.start(workspace.dir, words, inside(zone)));
};
const call = async (args: object) =>
  JSON.parse(
    await within(
      zone1,
      ...[program('caller.mjs'), `https://${edge}:8443/mcp`, '.innerkeep/pki/ca.pem', token],
      ...['local__reach', JSON.stringify(args)],
    ),
  );
const scan = async (from: string, host: string) => JSON.parse(await within(from, program('neighbour.mjs'), host));

const missing = ((): string | false => {
  if (process.getuid?.() !== 0) return 'network namespaces: root is needed';
  try {
    ip(`netns add ${zone0}`);
    return false;
  } catch {
    return 'iproute2 and network namespaces';
  }
})();

before(async () => {
  if (missing !== false) return;
  ip(`netns add ${zone1}`);
  ip(`link add ikc${process.pid} netns ${zone0} type veth peer name ikg${process.pid} netns ${zone1}`);
  for (const [zone, letter, address] of [
    [zone0, 'c', control],
    [zone1, 'g', edge],
  ] as const) {
    ip(`-n ${zone} address add ${address}/30 dev ik${letter}${process.pid}`);
    for (const device of [`ik${letter}${process.pid}`, 'lo']) ip(`-n ${zone} link set ${device} up`);
  }
  workspace = new Workspace({
    'innerkeep.yaml': `edge: { listen: "${edge}:8443" }\nlimits: { per_subject: { rate: 1000/s, burst: 1000 } }\ncontrol: { gateways: { edge-1: "${edge}:9443" } }\n`,
    'policies/p.cedar': '',
  });
  chmodSync(workspace.dir, 0o755);
  cpSync(program('server'), join(workspace.dir, 'local'), { recursive: true });
  await workspace.must('add', './local', '--name', 'local', '--yes', '--', 'node', 'server.mjs');
  writeFileSync(join(workspace.dir, 'id.json'), await workspace.must('control', '--enrol', 'edge-1'), { mode: 0o600 });
  await start(zone1, 'runtime', '--state', 'edge-1');
  await start(zone1, 'gateway', '--state', 'edge-1', '--listen', `${edge}:9443`, '--identity', 'id.json');
  await start(zone0, 'control');
  token = (await innerkeep(zone0, 'token', '--subject', 'alice', '--tenant', 'acme')).trim();
  await until(async () => (await call({ host: '', ports: [] })).error !== undefined);
});
after(async () => {
  for (const process of running.reverse()) await process.stop();
  workspace?.remove();
  if (missing !== false) return;
  for (const zone of [zone0, zone1]) ip(`netns delete ${zone}`);
});

test('nothing in zones 1 to 3 can open a connection to zone 0, while its pushes arrive', {
  timeout: 300_000,
  skip: missing,
}, async () => {
  verifies('sandbox.egress', 'authz.default-deny');
  // The push works: what nobody was permitted is permitted now, and a sandbox of zone 2 runs.
  writeFileSync(
    join(workspace.dir, 'policies/p.cedar'),
    'permit (principal in Tenant::"acme", action == Action::"local/reach", resource == Tenant::"acme");\n',
  );
  const { changed } = JSON.parse(await innerkeep(zone0, 'policy', 'push', '--json'));
  assert.equal(changed, true);
  // Zone 2, and whatever a tool server does in it.
  const reached = await call({ host: control, ports: [8443, 8444, 9443] });
  assert.match(reached.result?.content[0].text, /^(E[A-Z]+ ?){3}$/, JSON.stringify(reached));
  // Zone 1, and whoever else is on its network: every port is asked, and each answers that nobody listens.
  const { open, refused, other } = await scan(zone1, control);
  assert.deepEqual([open, refused, other], [[], 65_535, {}]);
  // Zone 0 has no socket for datagrams either.
  const datagrams = await run('nsenter', [
    `--net=/run/netns/${zone0}`,
    'cat',
    '/proc/self/net/udp',
    '/proc/self/net/udp6',
  ]);
  assert.deepEqual(datagrams.stdout.match(/^ *\d+: .*/gm) ?? [], []);
});

test('a runtime whose sandboxes are not as zone 0 has signed them serves nobody, and says so', {
  timeout: 300_000,
  skip: missing,
}, async () => {
  verifies('sandbox.profile');
  const nowhere = { host: '', ports: [] };
  const [runtime] = running.splice(0, 1);
  await runtime?.stop();
  // Somebody has widened the way out on the gateway's machine alone; the same files otherwise.
  const settings = readFileSync(join(workspace.dir, 'innerkeep.yaml'), 'utf8');
  const widened = settings.replace(/( +)(root: .*\n)/, '$1$2$1sandbox: { egress: ["exfil.example.org:443"] }\n');
  assert.notEqual(widened, settings);
  writeFileSync(join(workspace.dir, 'widened.yaml'), widened);
  const other = await ZoneProcess.start(
    workspace.dir,
    ['runtime', '-c', 'widened.yaml', '--state', 'edge-1'],
    inside(zone1),
  );
  const { error } = await call(nowhere);
  assert.equal(error?.data.reason, 'isolation');
  const audit = readFileSync(join(workspace.dir, 'edge-1/gateway/audit/audit.jsonl'), 'utf8');
  const record = audit.split('\n').find((line) => line.includes(error.data.incident) && line.includes('"outcome"'));
  assert.match(record ?? '', /the sandbox of local is not the one that zone 0 has signed/);
  await other.stop();
  running.unshift(await ZoneProcess.start(workspace.dir, ['runtime', '--state', 'edge-1'], inside(zone1)));
  assert.equal((await call(nowhere)).error, undefined);
  // What zone 0 has signed is in its registry, for whoever looks what was changed.
  assert.match(await innerkeep(zone0, 'policy', 'history', '--diff', '1'), /policies\/p\.cedar/);
});

test('the same look finds what does listen: the gateway’s two doors, and a listener in zone 0', {
  timeout: 300_000,
  skip: missing,
}, async () => {
  assert.deepEqual((await scan(zone0, edge)).open, [8443, 9443]);
  const [command = '', ...args] = [...inside(zone0), process.execPath, '-e'];
  const listener = spawn(command, [
    ...args,
    `require('net').createServer().listen(7, '${control}', () => console.log(1))`,
  ]);
  await once(listener.stdout, 'data');
  assert.deepEqual((await scan(zone1, control)).open, [7]);
  listener.kill();
  await once(listener, 'exit');
});
