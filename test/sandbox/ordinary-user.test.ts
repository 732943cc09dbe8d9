import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import {
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { cache } from '../../src/drivers/sandbox-driver/microvm/guest-image.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { allowed, attempts } from './escapes/all.ts';
import { Scene } from './escapes/scene.ts';
import { absent, drivers, Hosted, ServerFiles } from './support/hosted.ts';

const uid = 52_017;
const asUser = ['setpriv', '--reuid', String(uid), '--regid', String(uid), '--clear-groups', '--'];

/** Our own groups of cgroup v1, below which root can hand one to a user. */
const ownGroups = readFileSync('/proc/self/cgroup', 'utf8')
  .trim()
  .split('\n')
  .map((line) => line.split(':'))
  .filter(([, controllers = '']) => ['memory', 'pids', 'cpu'].includes(controllers))
  .map(([, controllers = '', path = '']) => join('/sys/fs/cgroup', controllers, path))
  .filter((directory) => existsSync(join(directory, 'cgroup.procs')));

const unreadable = (): string | false =>
  spawnSync(asUser[0] ?? '', [...asUser.slice(1), 'test', '-r', join(import.meta.dirname, 'support/host.ts')])
    .status === 0
    ? false
    : 'a clone that every user may read';
const unprivileged = absent('root') || (ownGroups.length === 3 ? false : 'cgroup v1') || unreadable();

/** A cache folder of the user's own, with the guest image that micro-VMs boot. */
class UserCache implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'ik-cache-'));
  constructor() {
    const own = join(this.folder, 'innerkeep');
    if (existsSync(cache)) cpSync(join(cache, 'guest'), join(own, 'guest'), { recursive: true });
    execFileSync('chown', ['-R', `${uid}:${uid}`, this.folder]);
  }
  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true });
  }
}

for (const { name, kernel, skip } of drivers)
  suite(`${name} as an ordinary user`, { skip: skip || unprivileged }, () => {
    test('holds every control and refuses every attempt in a group that was handed to the user', async () => {
      verifies('sandbox.profile', 'sandbox.isolation');
      const groups = ownGroups.map((directory) => join(directory, `ik-user-${process.pid}`));
      for (const group of groups) {
        mkdirSync(group);
        for (const path of ['', 'cgroup.procs', 'tasks']) chownSync(join(group, path), uid, uid);
      }
      try {
        const enter = groups.map((group) => `echo $$ > ${group}/cgroup.procs`).join('; ');
        using own = new UserCache();
        const become = `${enter}; XDG_CACHE_HOME=${own.folder} exec ${asUser.join(' ')} "$@"`;
        await using hosted = new Hosted(name, { wrap: ['sh', '-c', become, 'sh'] });
        const { controls, mend } = await hosted.probe();
        assert.deepEqual([controls.filter(({ held }) => !held), mend], [[], undefined]);
        using files = new ServerFiles();
        chownSync(files.root, uid, uid);
        const mounts = [{ from: files.root, to: '/data', mode: 'rw' as const }];
        const { stdout } = await hosted.run(files.profile(['sh', '-c', 'id -u; touch /data/made'], { mounts }));
        assert.deepEqual([stdout, statSync(join(files.root, 'made')).uid], ['65534\n', uid]);
        await using scene = await Scene.play(hosted, attempts, uid);
        for (const [attempt, said] of scene.said) assert.match(said, allowed(attempt, kernel), attempt.tries);
        await scene.witness();
      } finally {
        // A group can go when the last process in it has.
        await until(() => groups.every((group) => readFileSync(join(group, 'cgroup.procs'), 'utf8') === ''));
        for (const group of groups) rmdirSync(group);
      }
    });

    test('without such a group refuses, with the mend, rather than run without limits', async () => {
      verifies('sandbox.profile');
      using own = new UserCache();
      await using hosted = new Hosted(name, { wrap: ['env', `XDG_CACHE_HOME=${own.folder}`, ...asUser] });
      const { controls, mend } = await hosted.probe();
      assert.deepEqual(
        controls.map(({ control, held }) => [control, held]),
        [['start', false]],
      );
      assert.match(mend ?? '', /root.*systemd-run/);
      // The mend is said once, by itself.
      assert.doesNotMatch(controls[0]?.evidence ?? '', /systemd-run|as root/);
    });
  });
