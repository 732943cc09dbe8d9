import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { absent } from '../sandbox/support/hosted.ts';
import { scratch } from '../support/scratch.ts';
import { verifies } from '../support/verifies.ts';
import { sections } from './support/battery.ts';
import type { Outcome } from './support/world.ts';

const iproute2 = existsSync('/usr/sbin/ip') || existsSync('/sbin/ip') ? false : 'iproute2';

/** Addresses of a metadata service, an inner network and this machine, and a public network, all on this one. */
const network = `
ip link set lo up
for address in 169.254.169.254 169.254.170.2 100.100.100.200 10.66.0.1 93.184.216.99; do ip addr add $address/32 dev lo; done
ip -6 addr add fd00:ec2::254/128 dev lo nodad
ip route add local 93.184.216.0/24 dev lo
mount --bind "$1" /etc/resolv.conf
shift
exec "$@"`;

suite('a metadata service and a loopback port from a sandbox (A1)', {
  skip: absent('bubblewrap') || absent('root') || iproute2,
}, () => {
  test(`none of ${sections.flatMap(({ attempts }) => attempts).length} ways leads there, each is on record, and what is allowed works`, async (t) => {
    verifies('sandbox.egress');
    const resolv = join(scratch(t), 'resolv.conf');
    writeFileSync(resolv, 'nameserver 127.0.0.1\noptions timeout:30 attempts:1\n');
    const { sections: ran, clients, breaches } = await world(resolv);

    assert.deepEqual(breaches, [], 'somebody got there');
    for (const { name, results, records } of ran) {
      for (const { id, got } of results) assert.doesNotMatch(got, /ROLE-CREDENTIALS/, `${name}: ${id}`);
      if (name === 'direct') {
        assert.deepEqual(records, []);
        for (const { id, got } of results) assert.match(got, NOTHING, id);
        continue;
      }
      assert.equal(records.length, results.length, `${name}: ${JSON.stringify(records)}`);
      const through = records.filter(({ code }) => code === 'allowed');
      // The one name that is public at the first look.
      for (const { target, address } of through)
        assert.match(`${target} ${address}`, /^rebinds\.example\.org:\d+ 93\.184\.216\.34$/);
      if (/^spellings|resolution/.test(name)) {
        const silent = records.filter(({ code, alert }) => !alert && code !== 'malformed' && code !== 'allowed');
        assert.deepEqual(silent, [], name);
      }
    }
    const rebound = ran.flatMap(({ records }) => records).filter(({ target }) => target.startsWith('rebinds.'));
    assert.ok(rebound.some(({ code }) => code === 'address'));

    // Clients that were sent on by an allowed host came nowhere; what is allowed was reached, whatever Host they said.
    const [reached, ...lines] = clients.output.trim().split('\n').reverse();
    assert.deepEqual(
      [reached, ...lines.slice(0, 2)],
      ['public plain.example.org:8080', 'public plain.example.org:8080', 'hello from api.example.org'],
    );
    assert.deepEqual(new Set(lines.slice(2)), new Set(['0']));
    const codes = new Set(clients.records.map(({ code, alert }) => `${code} ${alert}`));
    assert.deepEqual(codes, new Set(['allowed false', 'host true']));
  });
});

/** What comes of a connection where there is no network. */
const NOTHING = /^(ECONNREFUSED|ENETUNREACH|EHOSTUNREACH|ENOENT|silence)$/;

async function world(resolv: string): Promise<Outcome> {
  const program = join(import.meta.dirname, 'support/world.ts');
  const namespaces = ['--net', '--mount', '--propagation', 'private'];
  const child = spawn('unshare', [...namespaces, 'sh', '-ec', network, 'sh', resolv, process.execPath, program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  for await (const chunk of child.stdout) output += chunk;
  return JSON.parse(output) as Outcome;
}
