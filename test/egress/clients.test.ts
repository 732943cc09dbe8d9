import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { suite, test } from 'node:test';
import { guestImage } from '../../src/drivers/sandbox-driver/microvm/guest-image.ts';
import { Hosted, ServerFiles, withWayOut } from '../sandbox/support/hosted.ts';
import { verifies } from '../support/verifies.ts';
import { openApi, openPlainApi } from './support/api.ts';
import { rule, Way } from './support/way.ts';

const NAME = 'api.example.org';

for (const { name, skip } of withWayOut)
  suite(`an allowed name from a sandbox in ${name}`, { skip }, () => {
    test('curl reaches it by proxy and without knowing of one, and nothing else', async () => {
      verifies('sandbox.egress');
      await using api = await openApi(NAME);
      await using hosted = new Hosted(name);
      using way = await Way.open([rule(NAME, api.port)], { [NAME]: ['127.0.0.1'] });
      using files = new ServerFiles({ 'ca.pem': api.ca });
      const script = `
      curl -sS --cacert ca.pem https://${NAME}:${api.port}/by-proxy; echo
      curl -sS --noproxy '*' --cacert ca.pem https://${NAME}:${api.port}/by-name; echo
      curl -sS --proxy socks5h://127.0.0.1:1080 --cacert ca.pem https://${NAME}:${api.port}/by-socks; echo
      curl -s --cacert ca.pem https://other.example.org:${api.port}/no; echo "$?"`;
      const { stdout } = await hosted.run(files.profile(['sh', '-c', script], { wayOut: way.proxy.wayOut }));
      assert.deepEqual(api.seen, ['GET /by-proxy', 'GET /by-name', 'GET /by-socks']);
      assert.match(stdout, /\n56\n$/);
      assert.deepEqual(
        way.attempts.map(({ via, target, code }) => `${via} ${target} ${code}`),
        [
          `connect ${NAME}:${api.port} allowed`,
          `transparent ${NAME}:${api.port} allowed`,
          `socks ${NAME}:${api.port} allowed`,
          `connect other.example.org:${api.port} not-listed`,
        ],
      );
    });

    test('curl speaks plain HTTP where that is declared, and TLS is not to be had by leaving it out', async () => {
      verifies('sandbox.egress');
      await using api = await openPlainApi();
      await using hosted = new Hosted(name);
      const rules = [rule(NAME, api.port, { tls: false }), rule('tls.example.org', api.port)];
      using way = await Way.open(rules, { [NAME]: ['127.0.0.1'], 'tls.example.org': ['127.0.0.1'] });
      using files = new ServerFiles();
      const script = `
      set -f; curl -sS http://${NAME}:${api.port}/absolute
      curl -sS --noproxy '*' -d body http://${NAME}:${api.port}/by-name
      curl -sS -p http://${NAME}:${api.port}/tunnel
      for more in '' '-p' "--noproxy *"; do curl -s -o /dev/null -w '%{http_code} ' $more http://tls.example.org:${api.port}/; done`;
      const { stdout } = await hosted.run(files.profile(['sh', '-c', script], { wayOut: way.proxy.wayOut }));
      const host = `${NAME}:${api.port}`;
      assert.deepEqual(api.seen, [`GET /absolute ${host}`, `POST /by-name ${host}`, `GET /tunnel ${host}`]);
      assert.match(stdout, /}403 000 000 $/);
      assert.deepEqual(
        way.attempts.slice(3).map(({ code }) => code),
        ['not-tls', 'not-tls', 'not-tls'],
      );
    });

    /** What makes clients forget that there is a proxy. */
    const unset = 'unset https_proxy HTTPS_PROXY http_proxy HTTP_PROXY all_proxy ALL_PROXY NODE_USE_ENV_PROXY';
    const families = {
      node: { command: `node clients.mjs`, clients: ['fetch', 'https', 'undici'], missing: false },
      python: {
        command: `/usr/bin/python3 clients.py`,
        clients: ['urllib', 'requests', 'httpx'],
        missing: name === 'microvm-tcg' ? skip || absentInImage() : absentClients(),
      },
    };
    for (const [family, { command, clients, missing }] of Object.entries(families))
      test(`${clients.join(', ')} reach it unmodified, with the proxy and without, and trust its authority`, {
        skip: missing,
      }, async () => {
        verifies('sandbox.egress');
        await using api = await openApi(NAME);
        await using hosted = new Hosted(name);
        using way = await Way.open([rule(NAME, api.port)], { [NAME]: ['127.0.0.1'] });
        using files = new ServerFiles({ 'clients.mjs': program('clients.mjs'), 'clients.py': program('clients.py') });
        const asked = `${command} https://${NAME}:${api.port}`;
        const profile = files.profile(['sh', '-c', `${asked}/proxy; ${unset}; ${asked}/plain`], {
          wayOut: { ...way.proxy.wayOut, ca: api.ca },
          mounts: [{ from: undici, to: '/data/undici', mode: 'ro' }],
          memory: 512 << 20,
        });
        const { stdout, stderr } = await hosted.run(profile);
        const expected = ['proxy', 'plain'].flatMap((how) => clients.map((client) => `${client} /${how}/${client}`));
        assert.deepEqual(stdout.trim().split('\n'), expected, stderr);
        const vias = new Set(way.attempts.map(({ via, code }) => `${via} ${code}`));
        assert.deepEqual(vias, new Set(['connect allowed', 'transparent allowed']), family);
      });
  });

const undici = realpathSync(join(import.meta.dirname, '../../node_modules/undici'));

function program(name: string): string {
  return readFileSync(join(import.meta.dirname, 'programs', name), 'utf8');
}

/** The name of the component that is missing, as the reason to skip; else false: an older image has none. */
function absentInImage(): string | false {
  const versions = readFileSync(join(dirname(guestImage().system), 'versions.json'), 'utf8');
  return 'python3-httpx' in JSON.parse(versions) ? false : 'python clients in the guest image';
}

function absentClients(): string | false {
  const { status } = spawnSync('/usr/bin/python3', ['-c', 'import requests, httpx']);
  return status === 0 ? false : 'python clients';
}
