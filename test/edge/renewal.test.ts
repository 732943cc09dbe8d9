import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { Workspace } from '../support/product.ts';
import { until } from '../support/until.ts';
import { verifies } from '../support/verifies.ts';
import { certificate } from './certificate.ts';

test('files of a certificate that change are served to whoever connects from then on, and drop nobody', async (t) => {
  verifies('transport.tls13');
  const tls = 'tls: { cert: ./cert.pem, key: ./key.pem }';
  const workspace = new Workspace({
    'innerkeep.yaml': `edge: { listen: "127.0.0.1:0", ${tls} }\nadmin: { listen: "127.0.0.1:0" }\n`,
    'policies/none.cedar': '',
  });
  t.after(() => workspace.remove());
  const put = async (): Promise<string> => {
    const { cert, key } = await certificate('localhost');
    writeFileSync(join(workspace.dir, 'key.pem'), key);
    writeFileSync(join(workspace.dir, 'cert.pem'), cert);
    return new X509Certificate(cert).fingerprint256;
  };
  const first = await put();
  const product = await workspace.up();
  t.after(() => product.stop());
  const port = Number(new URL(product.ready.mcp).port);
  const open = async (): Promise<TLSSocket> => {
    const socket = connect({ host: '127.0.0.1', port, servername: 'localhost', rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    return socket;
  };
  const answered = async (socket: TLSSocket): Promise<string> => {
    socket.write(`GET /mcp HTTP/1.1\r\nHost: localhost:${port}\r\n\r\n`);
    const [text] = await once(socket, 'data');
    return String(text).split('\r\n', 1)[0] ?? '';
  };
  const old = await open();
  assert.equal(old.getPeerX509Certificate()?.fingerprint256, first);
  assert.equal(await answered(old), 'HTTP/1.1 421 Misdirected Request');
  // Half of a pair, which cannot be used: the one before stays.
  writeFileSync(join(workspace.dir, 'key.pem'), 'no key');
  await until(() => product.stderr().includes('no new certificate'));
  const second = await put();
  await until(async () => {
    const socket = await open();
    const served = socket.getPeerX509Certificate()?.fingerprint256;
    socket.destroy();
    assert.ok(served === first || served === second);
    return served === second;
  });
  assert.equal(await answered(old), 'HTTP/1.1 421 Misdirected Request');
  old.destroy();
});
