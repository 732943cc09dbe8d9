import assert from 'node:assert/strict';
import { renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { bundleFile } from '../../src/control-plane/pki/spiffe/bundle-file.ts';
import { scratch } from '../support/scratch.ts';
import { verifies } from '../support/verifies.ts';
import { authority } from './support/authority.ts';

test('a bundle in a file: what replaces it counts, what is none does not, and one without authorities ends everybody’s', async (t) => {
  verifies('authn.workload');
  const [first, second] = [await authority('first', Date.now()), await authority('second', Date.now())];
  const directory = scratch(t);
  const path = join(directory, 'bundle');
  writeFileSync(path, first.pem);
  const faults: string[] = [];
  let wake = (): void => {};
  const source = bundleFile(
    path,
    {
      changed: () => wake(),
      fault: (message) => {
        faults.push(message);
        wake();
      },
    },
    20,
  );
  t.after(() => source.close());
  const held = () => source.current().x509.map((pem) => (pem.trim() === first.pem.trim() ? 'first' : 'second'));
  const after = async (change: () => void) => {
    const woken = new Promise<void>((resolve) => {
      wake = resolve;
    });
    change();
    await woken;
    return held();
  };
  const place = (text: string) => {
    writeFileSync(`${path}.new`, text);
    renameSync(`${path}.new`, path);
  };
  assert.deepEqual(await after(() => place(`${first.pem}\n${second.pem}`)), ['first', 'second']);
  assert.deepEqual(await after(() => place('{"keys": [{"use": "x509-svid"')), ['first', 'second'], 'half a document');
  assert.deepEqual(await after(() => place('nothing')), ['first', 'second']);
  assert.deepEqual(await after(() => rmSync(path)), ['first', 'second']);
  writeFileSync(join(directory, 'elsewhere'), second.pem);
  assert.deepEqual(await after(() => symlinkSync(join(directory, 'elsewhere'), path)), ['second']);
  assert.equal(faults.length, 3);
  assert.deepEqual(await after(() => place('{"spiffe_sequence": 2, "keys": []}')), [], 'revoked');
  assert.deepEqual(await after(() => place(first.pem)), ['first']);
});
