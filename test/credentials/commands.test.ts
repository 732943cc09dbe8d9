import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { Workspace } from '../support/product.ts';
import { verifies } from '../support/verifies.ts';
import { bytesBelow } from './support.ts';

const VALUE = 'sk_live_4eC39HqLyjWDarjtT1zdp7dc';
const alice = ['notes-api', '--tenant', 'acme', '--subject', 'alice'];

suite('innerkeep secrets', () => {
  let workspace: Workspace;
  before(() => {
    workspace = new Workspace({ 'innerkeep.yaml': '' });
  });
  after(() => workspace.remove());

  test('put, ls, rotate, rm: the value comes from standard input, and is in no output and no file', async () => {
    verifies('secrets.injection');
    const said: string[] = [];
    const run = async (stdin: string, ...argv: string[]) => {
      const ran = await workspace.pipe(stdin, 'secrets', ...argv);
      said.push(ran.stdout, ran.stderr);
      return ran;
    };
    assert.deepEqual(await run(`${VALUE}\n`, 'put', ...alice), {
      code: 0,
      stdout: 'notes-api of alice of acme: version 1\n',
      stderr: '',
    });
    const rotated = await run(`${VALUE}-2`, 'rotate', ...alice, '--json');
    assert.deepEqual(JSON.parse(rotated.stdout), { ref: 'notes-api', tenant: 'acme', subject: 'alice', version: 2 });
    await run(`${VALUE}-3`, 'put', 'plan', '--tenant', 'acme');
    const { secrets } = JSON.parse((await run('', 'ls', '--json')).stdout);
    assert.deepEqual(
      secrets.map(({ versions, ...name }: { versions: { version: number }[] }) => [
        name,
        versions.map((one) => one.version),
      ]),
      [
        [{ ref: 'notes-api', tenant: 'acme', subject: 'alice' }, [2, 1]],
        [{ ref: 'plan', tenant: 'acme' }, [1]],
      ],
    );
    assert.match(
      (await run('', 'ls')).stdout,
      /^notes-api of alice of acme: version 2 of 20.*, 2 kept\nplan of the tenant acme: /,
    );
    assert.equal((await run('', 'rm', 'plan', '--tenant', 'acme')).code, 0);
    for (const text of said) assert.equal(text.includes(VALUE), false);
    for (const [name, bytes] of bytesBelow(workspace.dir)) assert.equal(bytes.includes(VALUE), false, name);
  });

  const mistakes: readonly (readonly [argv: readonly string[], stdin: string, words: RegExp])[] = [
    [['put', 'notes-api', '--subject', 'alice'], VALUE, /--tenant is missing: there is no secret of nobody/],
    [['put', ...alice], VALUE, /is there already; rotate it/],
    [['rotate', 'other', '--tenant', 'acme'], VALUE, /there is no other of the tenant acme; put it/],
    [['rm', 'other', '--tenant', 'acme'], '', /there is no other/],
    [['put', 'Bad Name', '--tenant', 'acme'], VALUE, /a secret is called/],
    [['put', 'new', '--tenant', 'ac\u202eme'], VALUE, /no plain name/],
    [['put', 'new', '--tenant', 'acme', '--subject', 'x#'], VALUE, /no plain name/],
    [['put', 'new', '--tenant', 'acme'], 'short', /shorter than 8 characters/],
    [['put', 'new', '--tenant', 'acme'], 'two\nlines-of-it', /not one line/],
    [['put', 'new', '--tenant', 'acme', VALUE], '', /unexpected/],
    [['put', 'new', VALUE, '--tenant', 'acme'], '', /unexpected/],
    [['ls', '--tenant', 'acme'], '', /takes no name/],
    [['leases'], '', /no innerkeep up is running/],
    [[], '', /secrets put \| rotate/],
  ];
  for (const [argv, stdin, words] of mistakes)
    test(`refuses ${argv.join(' ') || 'nothing'} (exit 2) and does not repeat a value`, async () => {
      const { code, stdout, stderr } = await workspace.pipe(stdin, 'secrets', ...argv);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, words);
    });
});
