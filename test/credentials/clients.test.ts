import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { terminatorFor } from '../../src/runtime/egress/termination/terminator.ts';
import { rule, Way } from '../egress/support/way.ts';
import { absent, Hosted, ServerFiles, withWayOut } from '../sandbox/support/hosted.ts';
import { verifies } from '../support/verifies.ts';
import { API, loan, notes, openApi, SECRET, TestClock } from './support.ts';

const programs: Readonly<Record<string, (url: string) => readonly [name: string, text: string, ...command: string[]]>> =
  {
    'curl, by proxy and by name': (url) => ['a.sh', `curl -sS ${url}; curl -sS --noproxy '*' ${url}`, 'sh', 'a.sh'],
    "node's fetch and https": (url) => [
      'a.mjs',
      `import { get } from 'node:https';
     console.log(await (await fetch(${JSON.stringify(url)})).text());
     get(${JSON.stringify(url)}, (response) => response.pipe(process.stdout));`,
      'node',
      'a.mjs',
    ],
    "python's urllib and http.client": (url) => [
      'a.py',
      `import http.client, ssl, urllib.request, urllib.parse
url = ${JSON.stringify(url)}
print(urllib.request.urlopen(url).read())
at = urllib.parse.urlsplit(url)
context = ssl.create_default_context()
# What newer versions of Python are strict about.
context.verify_flags |= ssl.VERIFY_X509_STRICT
connection = http.client.HTTPSConnection(at.hostname, at.port, context=context)
connection.request("GET", at.path)
print(connection.getresponse().read())`,
      'python3',
      'a.py',
    ],
  };

for (const { name: driver, skip } of withWayOut)
  suite(`a credential for clients that know of nothing, in ${driver}`, { skip }, () => {
    for (const [name, program] of Object.entries(programs))
      test(`${name}: it is added, and does not come back`, {
        skip: name.startsWith('python') && absent('python3'),
      }, async () => {
        verifies('secrets.injection', 'sandbox.egress');
        await using api = await openApi((request, response) => response.end(request.headers.authorization), [API]);
        await using hosted = new Hosted(driver);
        const secret = { ...notes, port: api.port };
        const rules = [rule(API, api.port, { ca: api.ca })];
        const terminator = terminatorFor(rules, [secret], new TestClock());
        using way = await Way.open(rules, { [API]: ['127.0.0.1'] }, terminator);
        const lent = loan();
        way.proxy.lend(lent);
        const [file, text, ...command] = program(`https://${API}:${api.port}/v1/notes`);
        using files = new ServerFiles({ [file]: text });
        const { stdout, stderr } = await hosted.run(files.profile(command, { wayOut: way.proxy.wayOut }));
        assert.deepEqual(
          api.seen.map(({ headers }) => headers.authorization),
          [`Bearer ${SECRET}`, `Bearer ${SECRET}`],
          stdout + stderr,
        );
        assert.equal(stdout.split(`Bearer ${'*'.repeat(SECRET.length)}`).length, 3, stdout + stderr);
        assert.equal(lent.uses.length, 2);
      });

    test('the authority of one sandbox is trusted in no other', async () => {
      verifies('secrets.injection');
      await using api = await openApi((_, response) => response.end('fine'), [API]);
      await using hosted = new Hosted(driver);
      const rules = [rule(API, api.port, { ca: api.ca, inspect: true })];
      const [one, other] = [terminatorFor(rules, [], new TestClock()), terminatorFor(rules, [], new TestClock())];
      using way = await Way.open(rules, { [API]: ['127.0.0.1'] }, one);
      using files = new ServerFiles({ 'a.sh': `curl -sS https://${API}:${api.port}/ || echo "curl: $?"` });
      const said = async (ca: string) => {
        const { stdout } = await hosted.run(files.profile(['sh', 'a.sh'], { wayOut: { ...way.proxy.wayOut, ca } }));
        return stdout.trim();
      };
      assert.deepEqual([await said(one.ca), await said(other.ca)], ['fine', 'curl: 60']);
      assert.equal(api.seen.length, 1);
    });
  });
