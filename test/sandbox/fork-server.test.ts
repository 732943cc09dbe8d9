import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { after, before, suite, test } from 'node:test';
import { verifies } from '../support/verifies.ts';
import { absent, groupsOf, Hosted, ServerFiles } from './support/hosted.ts';

const skip = absent('bubblewrap') || absent('python3');
const python = (name: string) => ['python3', name];

/** What a sandbox finds of what another one of the same parent left, and what it leaves itself. */
const traces = `
import os, counted, sys
print(sorted(os.listdir('/tmp')), counted.calls, len(os.listdir('/proc/self/fd')), os.environ.get('LEFT'))
open('/tmp/left', 'w').write('left')
counted.calls += 1
os.environ['LEFT'] = 'left'
sys.stdout.flush()
`;

/** What each sandbox draws by generators that were seeded, and drawn from, in their parent. */
const drawn = 'import ssl, random, uuid, drawing\nprint(ssl.RAND_bytes(16).hex(), random.random(), uuid.uuid4())';

/** Every way to the parent and to the others that were forked from it. */
const hostile = `
import os, socket, signal
got = []
def attempt(name, what):
    try:
        what()
        got.append(name)
    except OSError:
        pass
def door():
    for place in ('/tmp/door', '/proc/1/root/tmp/door', '/proc/2/root/../tmp/door'):
        try:
            socket.socket(socket.AF_UNIX).connect(place)
            return
        except OSError:
            pass
    raise OSError
attempt('door', door)
attempt('memory of the first process', lambda: open('/proc/1/mem', 'r+b'))
attempt('neighbour', lambda: socket.socket(socket.AF_UNIX).connect('\\0ik-fork-neighbour'))
if sorted(name for name in os.listdir('/proc') if name.isdigit()) != ['1', str(os.getpid())]:
    got.append('processes')
for pid in range(3, 300):
    attempt('signal', lambda: os.kill(pid, 0))
status = dict(line.split(':', 1) for line in open('/proc/self/status'))
for name in ('CapEff', 'CapPrm', 'CapInh', 'CapBnd', 'CapAmb'):
    if int(status[name], 16) != 0:
        got.append(name)
if status['Seccomp'].strip() != '2' or status['NoNewPrivs'].strip() != '1':
    got.append('filter')
if [line for line in open('/proc/self/maps') if line.split()[1][1::2] == 'ws']:
    got.append('shared memory')
try:
    os.kill(-1, signal.SIGUSR1)
except OSError:
    pass
print(got)
`;

suite('sandboxes that are forked from one parent', { skip }, () => {
  let hosted: Hosted;
  let files: ServerFiles;
  before(() => {
    hosted = new Hosted('bubblewrap-fork');
    files = new ServerFiles({
      'imported.py': 'import time\nat = time.monotonic_ns()',
      'counted.py': 'calls = 0',
      'drawing.py': 'import ssl, random\nssl.RAND_bytes(1)\nrandom.random()',
      'when.py': 'import imported, sys\nprint(imported.at, __file__, __name__, sys.argv, sys.path[0])',
      'traces.py': traces,
      'drawn.py': drawn,
      'hostile.py': hostile,
      'neighbour.py':
        'import socket, time\ns = socket.socket(socket.AF_UNIX); s.bind("\\0ik-fork-neighbour"); s.listen(); print("up", flush=True); time.sleep(1000)',
      'bomb.py':
        'import sys\nprint("up", flush=True)\nif sys.stdin.readline():\n    kept = [bytearray(1 << 24) for _ in range(99)]',
      'shares.py': 'import sharing\nprint("started")',
      'sharing.py': 'import mmap\nmemory = mmap.mmap(-1, 4096)',
      'threads.py': 'import threading_at_import\nprint("started")',
      'threading_at_import.py':
        'import threading, time\nthreading.Thread(target=time.sleep, args=(1000,), daemon=True).start()',
    });
  });
  after(async () => {
    await hosted[Symbol.asyncDispose]();
    files[Symbol.dispose]();
  });
  const run = async (name: string) => (await hosted.run(files.profile(python(name)))).stdout;

  test('have the imports of one moment, and see what a plain start sees', async () => {
    const [first, second] = [await run('when.py'), await run('when.py')];
    assert.match(first, /^\d+ \/srv\/when\.py __main__ \['when\.py'\] \/srv\n$/);
    assert.equal(first, second);
  });

  test('find nothing of what another one left in files, modules, variables or descriptors', async () => {
    verifies('sandbox.isolation');
    const first = await run('traces.py');
    // The three streams, and the listing itself.
    assert.equal(first, '[] 0 4 None\n');
    assert.equal(await run('traces.py'), first);
  });

  test('draw random numbers of their own, though their process numbers are alike', async () => {
    verifies('sandbox.isolation');
    const draws = await Promise.all(Array.from({ length: 4 }, () => run('drawn.py')));
    const words = draws.flatMap((draw) => draw.trim().split(' '));
    assert.equal(words.length, 12);
    assert.equal(new Set(words).size, 12);
  });

  test('reach neither their parent nor each other, and keep no right', async () => {
    verifies('sandbox.isolation', 'sandbox.profile');
    const neighbour = await hosted.hold(files.profile(python('neighbour.py')), 'up');
    assert.equal(await run('hostile.py'), '[]\n');
    await neighbour.kill();
    assert.equal((await neighbour.ended).exit.signal, 'SIGKILL');
  });

  test('end alone at their memory limit', async () => {
    verifies('sandbox.profile');
    const profile = files.profile(python('bomb.py'));
    const other = await hosted.hold(profile, 'up');
    const { exit } = await hosted.run(profile, 'now\n');
    assert.equal(exit.outOfMemory, true);
    await other.kill();
    assert.deepEqual((await other.ended).exit, { code: null, signal: 'SIGKILL', outOfMemory: false });
  });

  test('end with their parent, and the next one has a new parent', async () => {
    const profile = files.profile(python('neighbour.py'));
    await using own = new Hosted('bubblewrap-fork');
    const held = await own.hold(profile, 'up');
    const [parent = 0] = parentsOf(own.child.pid ?? 0);
    process.kill(parent, 'SIGKILL');
    assert.equal((await held.ended).exit.signal, 'SIGKILL');
    const next = await own.hold(profile, 'up');
    await next.kill();
  });

  test('are refused where imports made memory that all would share, or threads that none would have', async () => {
    verifies('sandbox.isolation');
    await assert.rejects(run('shares.py'), /memory that all its sandboxes would share/);
    await assert.rejects(run('threads.py'), /started threads/);
  });

  test('are refused a way out rather than started without one', async () => {
    const wayOut = { socket: '/nowhere', proxyPort: 1080, names: [] };
    await assert.rejects(hosted.run(files.profile(python('when.py'), { wayOut })), /no way out/);
  });
});

/** The processes of a nursery: those with its program that have no namespace of processes below their own. */
function parentsOf(host: number): number[] {
  const groups = groupsOf(host);
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const group = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
        const status = readFileSync(`/proc/${pid}/status`, 'utf8');
        return (
          groups.some((path) => group.includes(path.split('/').at(-1) ?? '')) &&
          /^Name:\tpython3/m.test(status) &&
          /^NSpid:\t\d+\t\d+$/m.test(status)
        );
      } catch {
        return false;
      }
    });
}
