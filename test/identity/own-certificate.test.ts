import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import { leafCertificate } from '../../src/control-plane/pki/certificates.ts';
import { unusableCertificate } from '../../src/control-plane/pki/own-certificate.ts';

const now = Date.UTC(2026, 10, 22);
const day = 24 * 60 * 60 * 1000;

test("an operator's certificate is refused before clients refuse it: wrong pair, expired, early, for other names", async () => {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const good = await leafCertificate(privateKey, ['localhost', 'mcp.example'], now);
  const other = await leafCertificate(privateKey, ['localhost'], now);
  const verdict = (pem: { cert: string; key: string }, names: string[], at = now) =>
    unusableCertificate(pem, names, at);

  assert.equal(verdict(good, ['localhost', 'mcp.example']), undefined);
  assert.equal(verdict({ cert: good.cert, key: other.key }, ['localhost'])?.half, 'key');
  assert.equal(verdict({ cert: good.key, key: good.key }, ['localhost'])?.half, 'cert');
  assert.equal(verdict({ cert: good.cert, key: good.cert }, ['localhost'])?.half, 'key');
  assert.match(verdict(good, ['localhost'], now + 31 * day)?.message ?? '', /^expired on /);
  assert.match(verdict(good, ['localhost'], now - day)?.message ?? '', /^not valid before /);
  assert.match(verdict(other, ['localhost', 'mcp.example'])?.message ?? '', /^not for mcp\.example /);
});
