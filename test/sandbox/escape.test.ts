import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { verifies } from '../support/verifies.ts';
import { allowed, attempts } from './escapes/all.ts';
import { outside } from './escapes/run.ts';
import { Scene } from './escapes/scene.ts';
import { drivers, Hosted } from './support/hosted.ts';
import { Victim } from './support/victims.ts';

const user = process.getuid?.() || 65534;

for (const driver of drivers)
  suite(`a hostile server in ${driver.name}`, { skip: driver.skip }, () => {
    let hosted: Hosted;
    let scene: Scene;
    before(async () => {
      hosted = new Hosted(driver.name);
      scene = await Scene.play(hosted, attempts, user);
    });
    after(async () => {
      await hosted[Symbol.asyncDispose]();
      await scene[Symbol.asyncDispose]();
    });

    for (const attempt of attempts) {
      const granted = attempt.of === 'kernel' && driver.kernel === 'own';
      test(granted ? `tries ${attempt.tries}, on no kernel but its own` : `is refused ${attempt.tries}`, () => {
        verifies('sandbox.profile', 'sandbox.isolation', 'sandbox.scratch');
        assert.match(scene.said.get(attempt) ?? '', allowed(attempt, driver.kernel));
      });
    }

    test('has changed nothing of the host, of another process or of another sandbox', async () => {
      verifies('sandbox.isolation');
      await scene.witness();
    });
  });

suite('without a sandbox the same tools', { skip: process.platform === 'linux' ? false : 'linux' }, () => {
  let victim: Victim;
  before(async () => {
    victim = await Victim.start(user);
  });
  after(() => victim[Symbol.asyncDispose]());
  for (const attempt of attempts.filter(({ getsOutside }) => getsOutside))
    test(`get ${attempt.tries}`, () => {
      const { pid, port, abstract, key } = victim;
      const targets = { pid, port, abstract, key, sibling: '', data: '/tmp', shared: '/etc/passwd' };
      assert.match(outside(attempt, targets), /^got /);
    });
});
