import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { loadConfig } from '../../src/control-plane/config/load.ts';
import { ConfigError } from '../../src/control-plane/config/problem.ts';
import { readLock } from '../../src/control-plane/packages/lock.ts';
import { npmSettings } from '../../src/control-plane/packages/npm-settings.ts';
import { prepareServers } from '../../src/control-plane/packages/pins-for.ts';
import { scratch } from '../support/scratch.ts';

test('the example is installed from its committed lock, every file as it was reviewed', async (t) => {
  const directory = join(import.meta.dirname, '../../examples/first-call');
  const config = await loadConfig(join(directory, 'innerkeep.yaml'), scratch(t));
  const platform = `${process.platform}-${process.arch}`;
  try {
    const { runtime } = await prepareServers(
      config,
      readLock(directory),
      () => npmSettings(directory, process.env),
      platform,
    );
    for (const server of runtime)
      assert.ok(
        server.kind === 'sandboxed' && existsSync(join(server.root, server.command[1]?.slice('/srv/'.length) ?? '')),
      );
  } catch (error) {
    if (!(error instanceof ConfigError && /registry could not be asked/.test(error.message))) throw error;
    t.skip('npm registry');
  }
});
