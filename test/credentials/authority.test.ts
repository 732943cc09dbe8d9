import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { suite, test } from 'node:test';
import { connect, createServer } from 'node:tls';
import { AUTHORITY_LIFETIME, SandboxAuthority } from '../../src/runtime/egress/termination/authority.ts';
import { verifies } from '../support/verifies.ts';

/** Whether a client that trusts `ca` takes the authority's certificate for `name`. */
async function accepts(authority: SandboxAuthority, name: string, ca: string | undefined): Promise<string> {
  const server = createServer({ ...authority.identity(name) }).on('tlsClientError', () => {});
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = connect({ port, host: '127.0.0.1', servername: name, ...(ca !== undefined && { ca }) });
  try {
    await once(socket, 'secureConnect');
    return 'accepted';
  } catch (error) {
    return String(error);
  } finally {
    socket.destroy();
    server.close();
  }
}

suite("the authority of one sandbox's egress", () => {
  const now = Date.now();

  test('vouches for the declared names alone', async () => {
    verifies('secrets.injection');
    const authority = new SandboxAuthority(['api.example.org', '*.wild.example'], now);
    for (const name of ['api.example.org', 'a.wild.example'])
      assert.equal(await accepts(authority, name, authority.pem), 'accepted');
    for (const name of ['other.example.org', 'example.org', 'api.example.org.evil.example', 'xapi.example.org'])
      assert.match(await accepts(authority, name, authority.pem), /permitted subtree violation/, name);
  });

  test('is trusted by nobody else, and two never trust each other', async () => {
    verifies('secrets.injection');
    const [one, other] = [
      new SandboxAuthority(['api.example.org'], now),
      new SandboxAuthority(['api.example.org'], now),
    ];
    assert.equal(await accepts(one, 'api.example.org', one.pem), 'accepted');
    for (const ca of [other.pem, undefined])
      assert.match(await accepts(one, 'api.example.org', ca), /self-signed|unable to|issuer/);
  });

  test('lives for a day, signs nothing below its leaves, and its key is not in what it hands out', () => {
    const authority = new SandboxAuthority(['api.example.org'], now);
    const [root, leaf] = [
      new X509Certificate(authority.pem),
      new X509Certificate(authority.identity('api.example.org').cert),
    ];
    assert.deepEqual([root.ca, leaf.ca, leaf.checkHost('api.example.org')], [true, false, 'api.example.org']);
    assert.ok(leaf.checkIssued(root) && leaf.verify(root.publicKey));
    assert.equal(root.publicKey.equals(leaf.publicKey), false);
    for (const { validFromDate, validToDate } of [root, leaf])
      assert.equal(validToDate.getTime() - validFromDate.getTime(), AUTHORITY_LIFETIME);
    assert.deepEqual(leaf.keyUsage, ['1.3.6.1.5.5.7.3.1']);
  });
});
