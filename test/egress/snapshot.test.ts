import assert from 'node:assert/strict';
import { test } from 'node:test';
import { programs } from '../../src/drivers/sandbox-driver/host/bundling/bundling.ts';
import { Hosted, ServerFiles, withWayOut } from '../sandbox/support/hosted.ts';
import { verifies } from '../support/verifies.ts';
import { openApi } from './support/api.ts';
import { rule, Way } from './support/way.ts';

const NAME = 'api.example.org';

/** A server in two parts, of which the first is empty; as two-parts.mjs makes them. */
const parts = `module.exports = { first: [], start: async () => {
  const { get } = $node('node:https');
  const asked = (url) => new Promise((resolve, reject) => get(url, (response) => resolve(response.resume())).on('error', reject));
  await fetch(process.argv[2] + '/fetch');
  await asked(process.argv[2] + '/https');
  await fetch('https://other.example.org/no').catch((error) => console.log(error.cause.message));
  process.exit();
} };`;
const take = `import { readFileSync } from 'node:fs'; import { take } from '/data/programs/snapshot.mjs';
const { plain } = take(readFileSync('/srv/parts.cjs', 'utf8'), ['server.mjs']); if (plain) throw new Error(plain);`;

// A snapshot is not taken in a micro-VM.
for (const { name, skip } of withWayOut.filter(({ name }) => name !== 'microvm-tcg'))
  test(`a server from a snapshot has the way out of its own start, and no other: ${name}`, { skip }, async () => {
    verifies('sandbox.egress');
    await using api = await openApi(NAME);
    await using hosted = new Hosted(name);
    using way = await Way.open([rule(NAME, api.port)], { [NAME]: ['127.0.0.1'] });
    using files = new ServerFiles({ 'parts.cjs': parts, 'take.mjs': take });
    const script = `env -i PATH=$PATH HOME=$HOME node take.mjs && exec node --snapshot-blob /tmp/blob server.mjs https://${NAME}:${api.port}`;
    const profile = files.profile(['sh', '-c', script], {
      wayOut: { ...way.proxy.wayOut, ca: api.ca },
      mounts: [{ ...programs, to: '/data/programs' }],
      memory: 512 << 20,
    });
    const { stdout, stderr } = await hosted.run(profile);
    assert.deepEqual(api.seen, ['GET /fetch', 'GET /https'], stderr);
    assert.match(stdout, /\S/);
    assert.deepEqual(
      way.attempts.map(({ via, target, code }) => `${via} ${target} ${code}`),
      [
        `connect ${NAME}:${api.port} allowed`,
        `connect ${NAME}:${api.port} allowed`,
        'connect other.example.org:443 not-listed',
      ],
    );
  });
