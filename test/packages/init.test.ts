import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { init } from '../../src/cli/init.ts';
import { loadConfig, loadPolicies } from '../../src/control-plane/config/load.ts';
import { ConfigError } from '../../src/control-plane/config/problem.ts';
import { scratch } from '../support/scratch.ts';

const io = (cwd: string) => ({ json: false, cwd, stdout: () => {}, stderr: () => {} });

test('init writes a configuration that loads, a policy, and a state directory that is the operator’s alone', async (t) => {
  const home = scratch(t);
  assert.equal(await init(['sub/dir'], io(home)), 0);
  const config = await loadConfig(join(home, 'sub/dir/innerkeep.yaml'));
  assert.deepEqual(config.servers, {});
  assert.deepEqual(
    loadPolicies(config.policies).map(({ file }) => file),
    ['first.cedar'],
  );
  assert.equal(statSync(config.state).mode & 0o777, 0o700);
  assert.equal(readFileSync(join(home, 'sub/dir/.gitignore'), 'utf8'), '/.innerkeep/\n');
});

for (const path of ['innerkeep.yaml', 'policies/first.cedar', 'policies/first.test.yaml', '.innerkeep/key'])
  test(`init refuses to overwrite ${path}, and writes nothing`, async (t) => {
    const home = scratch(t, { [path]: 'mine' });
    const before = readdirSync(home, { recursive: true });
    const named = path.split('/')[0] === '.innerkeep' ? '.innerkeep' : path;
    await assert.rejects(init([], io(home)), (error) => error instanceof ConfigError && error.message.includes(named));
    assert.deepEqual(readdirSync(home, { recursive: true }), before);
    assert.equal(readFileSync(join(home, path), 'utf8'), 'mine');
  });

test('init that cannot make all of it makes none', async (t) => {
  const home = scratch(t, { policies: 'a file' });
  await assert.rejects(
    init([], io(home)),
    (error) => error instanceof ConfigError && error.message.includes('policies'),
  );
  assert.deepEqual(readdirSync(home), ['policies']);
  const blocked = scratch(t, { file: '' });
  await assert.rejects(init(['file/below'], io(blocked)));
  assert.deepEqual(readdirSync(blocked), ['file']);
});
