import assert from 'node:assert/strict';
import { type Behind, behind, type Kind, open, type Result, type Stock, type Way } from './clients.ts';

const text = ({ content }: Result): string => content.map((part) => part.text ?? '').join('');

/** What alice sees of one server, whatever her client, its way there and the server's era. @param prefix of its tools */
export async function works(client: Stock, { asked, progress }: Behind, prefix = ''): Promise<void> {
  const names = await client.tools();
  for (const name of ['echo', 'deploy', 'summarise', 'where'])
    assert.ok(names.includes(`${prefix}${name}`), `${prefix}${name}`);
  assert.equal(text(await client.call(`${prefix}echo`, { text: 'hello' })), 'hello');

  asked.length = 0;
  progress.length = 0;
  const deployed = await client.call(`${prefix}deploy`, { to: 'production' });
  assert.equal(text(deployed), 'deployed to production: {"approve":true,"note":"go"}');
  assert.deepEqual(asked, ['Deploy to production?']);
  assert.deepEqual(progress, [1, 2, 3]);

  assert.equal(text(await client.call(`${prefix}summarise`, { text: 'a long text' })), 'assistant: in short: yes');
  assert.match(asked[1] ?? '', /a long text/);
  assert.equal(text(await client.call(`${prefix}where`, {})), 'file:///home/alice/project');
}

/** The same, from the client's start to its end. */
export async function worksOver(kind: Kind, way: Way, prefixes: readonly string[] = ['']): Promise<void> {
  const who = behind();
  const client = await open(kind, way, who);
  try {
    for (const prefix of prefixes) await works(client, who, prefix);
  } finally {
    await client.close();
  }
  const no = behind('decline');
  const other = await open(kind, way, no);
  try {
    for (const prefix of prefixes)
      assert.equal(text(await other.call(`${prefix}deploy`, { to: 'production' })), 'not deployed: decline');
  } finally {
    await other.close();
  }
}
