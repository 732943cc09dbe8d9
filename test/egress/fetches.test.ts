import assert from 'node:assert/strict';
import type { lookup } from 'node:dns';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { openOutbound } from '../../src/gateway/transport/outbound.ts';
import { remoteUpstream } from '../../src/runtime/upstream/http.ts';
import { callOf } from '../runtime/remote-server.ts';
import { verifies } from '../support/verifies.ts';
import { openApi } from './support/api.ts';
import { type Dns, openDns } from './support/dns.ts';

const METADATA = '169.254.169.254';

/** As node's own, by a server of ours. */
function lookupBy(dns: Dns): typeof lookup {
  const find = (name: string, _: unknown, callback: (error: Error | null, addresses: readonly object[]) => void) => {
    dns.resolve(name).then(
      (addresses) =>
        callback(
          null,
          addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
        ),
      (error) => callback(error, []),
    );
  };
  return find as typeof lookup;
}

const zone = {
  'rebinds.example.org': (question: number) => (question === 1 ? ['93.184.216.34'] : [METADATA]),
  'mixed.example.org': () => ['93.184.216.34', '10.0.0.7'],
  'alias.example.org': () => ['CNAME instance-data.example.org'],
  'instance-data.example.org': () => [METADATA],
  'six.example.org': () => ['0:0:0:0:0:ffff:a9fe:a9fe'],
  'inner.example.org': () => ['127.0.0.1'],
};

test('an issuer whose name leads inside gets no request, at once or at the second look (A1)', async () => {
  verifies('sandbox.egress');
  await using dns = await openDns(zone);
  const get = openOutbound(60_000, lookupBy(dns));
  const options = { trustedHost: 'idp.example.org', ca: undefined };
  await dns.resolve('rebinds.example.org');
  for (const name of Object.keys(zone)) await assert.rejects(get(`https://${name}/jwks`, options), /not allowed/, name);
});

test('a remote server whose name leads inside gets no call, unless its network was named (A1)', async () => {
  verifies('sandbox.egress');
  await using dns = await openDns(zone);
  await using api = await openApi('inner.example.org');
  const resolve = async (name: string) =>
    (await dns.resolve(name)).map((address) => ({ address, family: address.includes(':') ? 6 : 4 }));
  const settings = { kind: 'remote', name: 'crm', deadline: 60_000, maxResult: 1000, ca: api.ca } as const;
  const call = async (host: string, network?: string) => {
    const url = `https://${host}:${api.port}/mcp`;
    const upstream = remoteUpstream({ ...settings, url, ...(network && { network }) }, Date.now, resolve);
    try {
      return await upstream.call(callOf());
    } finally {
      await upstream.close();
    }
  };
  const inside = (error: unknown) =>
    /has the address .* \((metadata|private|loopback)\)/.test(String((error as { detail: string }).detail));
  await dns.resolve('rebinds.example.org');
  for (const name of Object.keys(zone)) await assert.rejects(call(name), inside, name);
  assert.deepEqual(api.seen, []);
  for (const literal of ['10.0.0.1', '[fd00::1]', METADATA, '100.100.100.200'])
    assert.throws(() => remoteUpstream({ ...settings, url: `https://${literal}/` }, Date.now), /name its network/);
  await assert.rejects(call('inner.example.org', '127.0.0.0/8'));
  assert.notEqual(api.seen.length, 0);
  const outside = (error: unknown) => /93\.184\.216\.34 \(public\)/.test((error as { detail: string }).detail);
  await assert.rejects(call('mixed.example.org', '10.0.0.0/8'), outside);
});

test('a redirect of an issuer is an answer, and is not followed (A1)', async (t) => {
  verifies('sandbox.egress');
  const followed: string[] = [];
  const server = createServer((request, response) => {
    followed.push(request.url ?? '');
    response.writeHead(302, { location: '/elsewhere' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  const { status } = await openOutbound()(url, { trustedHost: '127.0.0.1', ca: undefined });
  assert.deepEqual([status, followed], [302, ['/keys']]);
});
