import assert from 'node:assert/strict';
import { ACCEPT, type Behind, behind, DECLINE, type Kind, open, type Result, type Stock, type Way } from './clients.ts';

const text = ({ content }: Result): string => content.map((part) => part.text ?? '').join('');

/** What alice sees of one server, whatever her client, its way there and the server's era. @param prefix of its tools */
export async function works(client: Stock, who: Behind, prefix = ''): Promise<void> {
  const names = await client.tools();
  for (const name of ['echo', 'deploy', 'summarise', 'where'])
    assert.ok(names.includes(`${prefix}${name}`), `${prefix}${name}`);
  assert.equal(text(await client.call(`${prefix}echo`, { text: 'hello' })), 'hello');

  const { asked, progress } = who;
  asked.length = 0;
  progress.length = 0;
  const deployed = await client.call(`${prefix}deploy`, { to: 'production' });
  assert.equal(text(deployed), 'deployed to production: {"approve":true,"note":"go"}');
  assert.deepEqual(asked, ['Deploy to production?']);
  assert.deepEqual(progress, [1, 2, 3]);

  assert.equal(text(await client.call(`${prefix}summarise`, { text: 'a long text' })), 'assistant: in short: yes');
  assert.match(asked[1] ?? '', /a long text/);
  assert.equal(text(await client.call(`${prefix}where`, {})), 'file:///projects/alice');

  who.form = DECLINE;
  const refused = await client.call(`${prefix}deploy`, { to: 'production' });
  who.form = ACCEPT;
  assert.equal(text(refused), 'not deployed: decline');
}

/** The same, from the client's start to its end. */
export async function worksOver(kind: Kind, way: Way): Promise<void> {
  await using client = await opened(kind, way);
  await client.works();
}

/** A client that is closed at the end of its block. */
export async function opened(kind: Kind, way: Way) {
  const who = behind();
  const client = await open(kind, way, who);
  return {
    client,
    who,
    works: (prefix = '') => works(client, who, prefix),
    [Symbol.asyncDispose]: () => client.close(),
  };
}
