import assert from 'node:assert/strict';
import { isIP, isIPv4 } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { classOf, parseAddress, parseLooseIpv4, parseNetwork } from '../../src/contract/addresses.ts';
import { forbidden, isInnerNetwork, ruleFault, ruleFor } from '../../src/contract/egress.ts';
import { judgeHost } from '../../src/contract/host-names.ts';
import { judgeUrl } from '../../src/contract/urls.ts';
import { verifies } from '../support/verifies.ts';
import { spellings } from './support/spellings.ts';
import { rule } from './support/way.ts';

const classes = {
  public: ['8.8.8.8', '1.1.1.1', '172.15.255.255', '172.32.0.0', '100.63.0.1', '2606:4700::1111', '2a00:1450::1'],
  metadata: [
    ...[
      '169.254.169.254',
      '169.254.170.2',
      '100.100.100.200',
      '192.0.0.192',
      '168.63.129.16',
      'fd00:ec2::254',
      'fd00:a9fe:a9fe::1',
    ],
    ...['::ffff:169.254.169.254', '::a9fe:a9fe', '64:ff9b::a9fe:a9fe', '64:ff9b:1:a9fe:a9:fe00::', '2002:a9fe:a9fe::'],
    ...['2001:0:5db8:d822::5601:5601', '2a00::5efe:a9fe:a9fe', '::ffff:0:169.254.169.254'],
  ],
  loopback: ['127.0.0.1', '127.255.255.255', '0.0.0.0', '0.1.2.3', '::1', '::', '::ffff:127.0.0.1', '2002:7f00:1::'],
  private: ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.0.1', '100.64.0.1', 'fc00::1', 'fd12::1', 'fec0::1'],
  'link-local': ['169.254.0.1', 'fe80::1', 'febf::1', '::ffff:169.254.0.1'],
  multicast: ['224.0.0.1', '239.255.255.255', 'ff02::1'],
  documentation: ['192.0.2.1', '198.51.100.1', '203.0.113.1', '2001:db8::1', '3fff::1'],
  reserved: [
    '192.0.0.1',
    '192.88.99.1',
    '198.18.0.1',
    '240.0.0.1',
    '255.255.255.255',
    '2001:2::1',
    '4000::1',
    '100::1',
  ],
} as const;

for (const [kind, addresses] of Object.entries(classes))
  test(`these addresses are ${kind}, by the registries and by what they carry (RFC 6890, 4291, 6052, 3056, 4380, 5214)`, () => {
    verifies('sandbox.egress');
    for (const address of addresses) assert.equal(classOf(address), kind, address);
  });

test('an IPv6 address that carries an IPv4 address is never public, whatever that is', () => {
  verifies('sandbox.egress');
  const quad = fc.ipV4();
  const forms = [
    '::ffff:IP',
    '::IP',
    '::ffff:0:IP',
    '64:ff9b::IP',
    '64:ff9b:1::IP',
    '2a00:1450::5efe:IP',
    '2a00:1450::200:5efe:IP',
  ];
  fc.assert(
    fc.property(quad, fc.constantFrom(...forms), (ip, form) => {
      assert.notEqual(classOf(form.replace('IP', ip)), 'public');
    }),
  );
});

test('what the parsers take for an address, node takes for one, and the other way round', () => {
  const near = fc.oneof(
    fc.ipV4(),
    fc.ipV6(),
    fc.string({ unit: fc.constantFrom('0', '1', 'f', ':', '.', '%'), maxLength: 24 }),
  );
  fc.assert(
    fc.property(near, (text) => {
      const bytes = parseAddress(text);
      const known = text.includes('%') ? 0 : isIP(text);
      assert.equal(bytes === undefined ? 0 : bytes.length === 4 ? 4 : 6, known, text);
    }),
    { numRuns: 2000 },
  );
});

test('every old notation of an IPv4 address is read as the browsers read it (WHATWG URL)', () => {
  const part = fc.oneof(
    fc.nat(300).map(String),
    fc.nat(0xff).map((n) => `0x${n.toString(16)}`),
    fc.nat(0xff).map((n) => `0${n.toString(8)}`),
    fc.nat(0xffffffff).map(String),
  );
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 4 }), (parts) => {
      const text = parts.join('.');
      const ours = parseLooseIpv4(text)?.join('.');
      const theirs = URL.canParse(`http://${text}/`) ? new URL(`http://${text}/`).hostname : undefined;
      assert.equal(ours, theirs);
      assert.ok(theirs === undefined || isIPv4(theirs));
    }),
  );
});

test('no spelling of an inner place passes for a host', () => {
  verifies('sandbox.egress');
  for (const host of spellings) {
    const judged = judgeHost(host);
    assert.ok('fault' in judged, `${host} ${JSON.stringify(judged)}`);
    assert.ok('fault' in judgeUrl(`https://${host}/`), host);
  }
});

test('ordinary hosts pass, and their case and last dot do not matter', () => {
  for (const [host, name] of [
    ['api.example.org', 'api.example.org'],
    ['API.Example.ORG.', 'api.example.org'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
    ['ec2-52-1-2-3.compute-1.amazonaws.com', 'ec2-52-1-2-3.compute-1.amazonaws.com'],
    ['1-0-0-1.example.org', '1-0-0-1.example.org'],
    ['my_bucket.s3.example.com', 'my_bucket.s3.example.com'],
    ['0x7f.example.org', '0x7f.example.org'],
  ] as const)
    assert.deepEqual(judgeHost(host), { name, scope: 'public' });
  for (const host of ['db', 'api.corp.internal', 'printer.local']) assert.equal('scope' in judgeHost(host), true);
});

test('a URL with two hosts for two parsers is none; an ordinary one passes', () => {
  verifies('sandbox.egress');
  const no = [
    ...[
      'https://user@example.org/',
      'https://example.org\\@evil.example/',
      'https://example.org#@127.0.0.1/',
      'file:///etc/passwd',
    ],
    ...[
      'gopher://example.org/',
      'jar:https://example.org!/',
      '//example.org/',
      'https:example.org',
      'https:///example.org',
    ],
    ...[
      'https://ex%61mple.org/',
      'https://exa mple.org/',
      'https://example.org:x/',
      'https://example.org/\r\nHost: x',
      'https://ⓔxample.org/',
    ],
    ...['https://exam\u00adple.org/', 'https://８.8.8.8/', 'https://intranet/', 'https://wiki.corp/', 'https://'],
  ];
  for (const url of no) assert.ok('fault' in judgeUrl(url), url);
  const yes = [
    ...['https://example.org', 'http://example.org:8080/a?b=c@d#e', 'HTTPS://EXAMPLE.ORG/', 'wss://example.org/socket'],
    ...[
      'https://bücher.example/',
      'https://日本語.example/',
      'https://example.org?mail=a@example.com',
      'https://example.org/@scope/name',
    ],
  ];
  for (const url of yes) assert.ok('name' in judgeUrl(url), `${url} ${JSON.stringify(judgeUrl(url))}`);
});

test('a rule names one name, one port, and at most one inner network', () => {
  verifies('sandbox.egress');
  const open = { network: undefined };
  for (const bad of [
    ...[
      '127.0.0.1',
      '[::1]',
      'localhost',
      'metadata.google.internal',
      '*',
      '*.org',
      '*.*.example.org',
      'a.*.example.org',
    ],
    ...['API.example.org', 'api.example.org.', 'bücher.example', 'db', 'api.corp.internal', 'api example.org', ''],
  ])
    assert.notEqual(ruleFault(rule(bad, 443, open)), undefined, bad);
  for (const network of [
    '0.0.0.0/0',
    '8.8.8.0/24',
    '169.254.0.0/16',
    '10.0.0.1/8',
    '10.0.0.0',
    '::/0',
    'fe80::/10',
    '10.0.0.0/7',
  ])
    assert.notEqual(ruleFault(rule('api.example.org', 443, { network })), undefined, network);
  for (const network of ['10.1.0.0/16', '127.0.0.0/8', '::1/128', 'fd12:3456::/32', '192.168.1.7/32'])
    assert.ok(isInnerNetwork(network) && parseNetwork(network), network);
  assert.equal(ruleFault(rule('db', 5432, { network: '10.0.0.0/8', tls: false })), undefined);
  assert.equal(ruleFault(rule('*.example.org', 443, open)), undefined);
  assert.notEqual(ruleFault(rule('api.example.org', 80, { tls: false, inspect: true })), undefined);
});

test('a wildcard is one label, and a named rule comes before it', () => {
  const rules = [rule('*.example.org', 443), rule('a.example.org', 443, { tls: false })];
  assert.equal(ruleFor(rules, 'a.example.org', 443)?.tls, false);
  assert.equal(ruleFor(rules, 'b.example.org', 443)?.host, '*.example.org');
  for (const [name, port] of [
    ['example.org', 443],
    ['b.a.example.org', 443],
    ['b.example.org', 80],
  ] as const)
    assert.equal(ruleFor(rules, name, port), undefined, name);
});

test('a network opens its own addresses and no others; metadata and link-local none opens', () => {
  verifies('sandbox.egress');
  const none = new Set<string>();
  assert.equal(forbidden('10.1.2.3', '10.1.0.0/16', none), undefined);
  for (const address of ['10.2.0.1', '8.8.8.8', '127.0.0.1', '::ffff:10.1.2.3', 'x'])
    assert.notEqual(forbidden(address, '10.1.0.0/16', none), undefined, address);
  assert.equal(forbidden('100.100.100.200', '100.64.0.0/10', none), 'metadata');
  assert.equal(forbidden('fd00:ec2::254', 'fd00::/8', none), 'metadata');
});

test('an address of this machine is refused, public or in the network of a rule; its loopback is opened by name', () => {
  verifies('sandbox.egress');
  const own = new Set(['8.8.8.8', '10.1.2.3', 'fd12::5', '127.0.0.1']);
  assert.equal(forbidden('8.8.8.8', undefined, own), 'loopback');
  assert.equal(forbidden('10.1.2.3', '10.1.0.0/16', own), 'loopback');
  assert.equal(forbidden('fd12::5', 'fd12::/16', own), 'loopback');
  assert.equal(forbidden('10.1.2.4', '10.1.0.0/16', own), undefined);
  assert.equal(forbidden('127.0.0.1', '127.0.0.0/8', own), undefined);
});
