import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { drivers, Hosted, ServerFiles } from '../sandbox/support/hosted.ts';
import { verifies } from '../support/verifies.ts';
import { openApi, openPlainApi } from './support/api.ts';
import { rule, Way } from './support/way.ts';

const NAME = 'api.example.org';

for (const { name, skip } of drivers)
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
  });
