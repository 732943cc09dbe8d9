import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import type { Mount } from '../../src/contract/bundle.ts';
import { verifies } from '../support/verifies.ts';
import { absent, drivers, Hosted, ServerFiles } from './support/hosted.ts';

for (const { name, skip } of drivers)
  suite(`mounts of a sandbox in ${name}`, { skip }, () => {
    let hosted: Hosted;
    let files: ServerFiles;
    let state: string;
    let data: string;
    before(() => {
      state = mkdtempSync(join(tmpdir(), 'ik-state-'));
      data = mkdtempSync(join(tmpdir(), 'ik-data-'));
      chmodSync(data, 0o777);
      writeFileSync(join(data, 'letter'), 'dear host');
      files = new ServerFiles();
      hosted = new Hosted(name, { forbidden: state });
    });
    after(async () => {
      for (const directory of [state, data]) rmSync(directory, { recursive: true });
      files[Symbol.dispose]();
      await hosted[Symbol.asyncDispose]();
    });
    const using = (...mounts: Mount[]) => files.profile(['true'], { mounts });
    const refused = (mount: Mount, why: RegExp) => assert.rejects(hosted.run(using(mount)), why, JSON.stringify(mount));

    test('a read-only mount can be read and not written, a writable one can be written', async () => {
      verifies('sandbox.scratch');
      const script = 'cat /data/letter; echo x > /data/letter || echo refused; echo y > /out/answer && echo written';
      const out = join(data, 'out');
      mkdirSync(out);
      chmodSync(out, 0o777);
      const mounts: Mount[] = [
        { from: data, to: '/data', mode: 'ro' },
        { from: out, to: '/out', mode: 'rw' },
      ];
      const { stdout } = await hosted.run(files.profile(['sh', '-c', script], { mounts }));
      assert.equal(stdout, 'dear hostrefused\nwritten\n');
      assert.deepEqual(
        [readFileSync(join(data, 'letter'), 'utf8'), readFileSync(join(out, 'answer'), 'utf8')],
        ['dear host', 'y\n'],
      );
      // Never as the host's root.
      assert.notEqual(statSync(join(out, 'answer')).uid, 0);
      await hosted.check(files.profile(['true'], { mounts }));
    });

    test('refuses a mount that is, contains or leads to a runtime socket, a device, the kernel or our state (A10)', async () => {
      verifies('sandbox.scratch');
      const socket = join(data, 'docker.sock');
      const listener = createServer().listen(socket);
      await once(listener, 'listening');
      const link = join(state, 'link');
      symlinkSync('/run', link);
      try {
        const sources = [
          '/var/run/docker.sock',
          '/run',
          '/',
          '/proc',
          '/proc/sys',
          '/sys',
          '/dev',
          '/dev/null',
          socket,
          data,
          link,
          state,
          tmpdir(),
          join(state, 'vault'),
        ];
        mkdirSync(join(state, 'vault'));
        for (const from of sources) await refused({ from, to: '/data', mode: 'ro' }, /UnsafeMount/);
      } finally {
        listener.close();
        rmSync(socket, { force: true });
      }
      await hosted.run(using({ from: data, to: '/data', mode: 'ro' }));
    });

    test('refuses a socket under any name: connecting needs no write access', async () => {
      const directory = mkdtempSync(join(tmpdir(), 'ik-deep-'));
      mkdirSync(join(directory, 'a/b'), { recursive: true });
      const listener = createServer().listen(join(directory, 'a/b/harmless'));
      await once(listener, 'listening');
      try {
        await refused({ from: directory, to: '/data', mode: 'ro' }, /socket/);
      } finally {
        listener.close();
        rmSync(directory, { recursive: true });
      }
    });

    test('refuses a target that would cover a part of the profile', async () => {
      const targets = [
        '/',
        '/proc',
        '/usr/lib',
        '/opt',
        '/opt/node/bin',
        '/srv',
        '/srv/x',
        '/etc',
        '/tmp',
        '/dev/x',
        'data',
        '/data/../usr',
        '/data/',
        '/a\0b',
      ];
      for (const to of targets) await refused({ from: data, to, mode: 'ro' }, /UnsafeMount/);
    });

    test('refuses a mount that is not there, and one that the sandbox cannot use, with the mend', async () => {
      await refused({ from: join(data, 'missing'), to: '/data', mode: 'ro' }, /create it/);
      const closed = join(data, 'closed');
      mkdirSync(closed, { mode: 0o700 });
      const secret = join(data, 'secret');
      writeFileSync(secret, '', { mode: process.getuid?.() === 0 ? 0o600 : 0o000 });
      if (process.getuid?.() !== 0) chmodSync(closed, 0);
      await assert.rejects(
        hosted.check(using({ from: closed, to: '/data', mode: 'ro' })),
        new RegExp(`chmod [ou]\\+rx ${closed}`),
      );
      await assert.rejects(
        hosted.check(using({ from: secret, to: '/data', mode: 'ro' })),
        new RegExp(`chmod [ou]\\+r ${secret}`),
      );
      if (process.getuid?.() === 0) {
        await assert.rejects(
          hosted.check(using({ from: closed, to: '/data', mode: 'rw' })),
          new RegExp(`chmod o\\+rwx ${closed}`),
        );
      }
      chmodSync(closed, 0o700);
    });

    test('as root, a file below a directory that nobody else may enter is still shown', {
      skip: absent('root'),
    }, async () => {
      const directory = mkdtempSync(join(tmpdir(), 'ik-closed-'));
      const inner = join(directory, 'inner');
      mkdirSync(inner);
      writeFileSync(join(inner, 'note'), 'shown');
      try {
        const profile = files.profile(['cat', '/data/note'], { mounts: [{ from: inner, to: '/data', mode: 'ro' }] });
        assert.equal((await hosted.run(profile)).stdout, 'shown');
        // Another directory in its place is another mount.
        rmSync(inner, { recursive: true });
        mkdirSync(inner);
        writeFileSync(join(inner, 'note'), 'exchanged');
        assert.equal((await hosted.run(profile)).stdout, 'exchanged');
      } finally {
        rmSync(directory, { recursive: true });
      }
    });

    test('as root, refuses to run in a mount namespace that it shares, and leaves no mount in ours', {
      skip: absent('root'),
    }, async () => {
      await using shared = new Hosted(name, { wrap: ['env', '--'] });
      await assert.rejects(shared.run(files.profile(['true'])), /unshare --mount --propagation private/);
      await using propagating = new Hosted(name, { wrap: ['unshare', '--mount', '--propagation', 'shared'] });
      await assert.rejects(propagating.run(files.profile(['true'])), /propagat/);
      assert.doesNotMatch(readFileSync('/proc/self/mountinfo', 'utf8'), /innerkeep/);
    });
  });
