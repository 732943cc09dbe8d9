import { clientHello, encryptedClientHello, extension, fragmented, serverName } from './hello.ts';
import { spellings } from './spellings.ts';

/** One attempt from inside of a sandbox. */
export interface Attempt {
  readonly id: string;
  readonly to: { readonly host: string; readonly port: number } | { readonly path: string };
  /** Base64; the second one is sent when the first was answered. */
  readonly pieces: readonly string[];
  readonly datagram?: true;
}

export const API = 'api.example.org';
/** Names that rules list, and whose addresses are what no rule allows. */
export const badNames = [
  ...['to-metadata', 'to-loopback', 'to-inner', 'to-shared', 'to-zero', 'to-own', 'to-mapped', 'to-nat64', 'to-6to4'],
  ...['to-ula', 'to-six-loopback', 'mixed', 'alias', 'long-alias', 'rebinds'],
].map((label) => `${label}.example.org`);

const PROXY = { host: '127.0.0.1', port: 1080 };
const SOCKET = { path: '/run/innerkeep/egress' };
const GET = 'GET /latest/meta-data/iam/security-credentials/ HTTP/1.1\r\nHost: x\r\n\r\n';

const attempt = (id: string, to: Attempt['to'], ...pieces: readonly (string | Buffer)[]): Attempt => ({
  id,
  to,
  pieces: pieces.map((piece) => Buffer.from(piece as string).toString('base64')),
});
const proxied = (id: string, ...pieces: readonly (string | Buffer)[]) => attempt(id, PROXY, ...pieces);
const claimed = (id: string, ...pieces: readonly (string | Buffer)[]) => attempt(id, SOCKET, ...pieces);
const connect = (target: string, fields = '') => `CONNECT ${target} HTTP/1.1\r\n${fields}\r\n`;

function socks(host: string, port: number): Buffer {
  const name = Buffer.from(host);
  return Buffer.concat([Buffer.of(5, 1, 0, 3, name.length), name, Buffer.of(port >> 8, port & 0xff)]);
}
const HELLO = Buffer.of(5, 1, 0);

/** Every spelling by every way in. */
const bySpelling = (['connect', 'absolute', 'socks', 'claim'] as const).map((way) => ({
  name: `spellings by ${way}`,
  attempts: spellings.map((host) => {
    const id = `${way} ${host}`;
    if (way === 'connect') return proxied(id, connect(`${host}:80`), GET);
    if (way === 'absolute')
      return proxied(id, `GET http://${host}/latest/meta-data/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    if (way === 'socks') return proxied(id, HELLO, socks(host, 80), GET);
    return claimed(id, `${host}:80\n${GET}`);
  }),
}));

/** Listed names that resolve to where nothing leads; the first that rebinds is allowed, the others are not. */
const byResolution = badNames.flatMap((name) => {
  const tls = clientHello([serverName(name)]);
  return [
    proxied(`connect ${name}:443`, connect(`${name}:443`), tls),
    proxied(`connect ${name}:80`, connect(`${name}:80`), GET),
    proxied(`absolute ${name}`, `GET http://${name}/ HTTP/1.1\r\nHost: ${name}\r\n\r\n`),
    proxied(`socks ${name}`, HELLO, socks(name, 80), GET),
    attempt(`by name ${name}`, { host: name, port: 80 }, GET),
  ];
});

const tunnel = (id: string, ...pieces: readonly (string | Buffer)[]) => proxied(id, connect(`${API}:443`), ...pieces);
const inTls = [
  tunnel('no server name', clientHello([])),
  tunnel('another server name', clientHello([serverName('metadata.google.internal')])),
  tunnel('a server name of another case that is another name', clientHello([serverName('APl.example.org')])),
  tunnel('an address as server name', clientHello([serverName('169.254.169.254')])),
  tunnel('a dot at the end of the server name', clientHello([serverName(`${API}.`)])),
  tunnel('a server name with NUL', clientHello([serverName(`${API}\0.evil.example`)])),
  tunnel('two server names', clientHello([serverName(API, 'evil.example.org')])),
  tunnel('two server name extensions', clientHello([serverName(API), serverName('evil.example.org')])),
  tunnel('another server name in small records', fragmented(clientHello([serverName('evil.example.org')]), 20)),
  tunnel('an encrypted ClientHello', clientHello([serverName(API), encryptedClientHello()])),
  tunnel('an encrypted ClientHello alone', clientHello([encryptedClientHello()])),
  tunnel('an encrypted server name', clientHello([serverName(API), extension(0xffce, Buffer.alloc(64, 1))])),
  tunnel('an extension that is longer than its ClientHello', clientHello([Buffer.of(0, 0, 0xff, 0xff)])),
  tunnel('a ClientHello of SSL 2', Buffer.from('802e0100020015000000100100800300800700c006004002008004008000', 'hex')),
  tunnel('plain HTTP where TLS is declared', GET),
  tunnel('a second CONNECT in the tunnel', connect('169.254.169.254:80')),
  proxied('a second CONNECT behind the first', connect(`${API}:443`) + connect('169.254.169.254:80') + GET),
  proxied('plain HTTP behind CONNECT', connect(`${API}:443`) + GET),
  claimed('plain HTTP by name where TLS is declared', `${API}:443\n${GET}`),
  claimed('another server name by name', `${API}:443\n`, clientHello([serverName('evil.example.org')])),
  proxied('an absolute request where TLS is declared', `GET http://${API}:443/ HTTP/1.1\r\nHost: ${API}\r\n\r\n`),
  proxied('an absolute request for https', `GET https://${API}/ HTTP/1.1\r\nHost: ${API}\r\n\r\n`),
].map((one) => (one.id === 'another server name by name' ? join(one) : one));

/** Nobody answers between the pieces. */
function join(one: Attempt): Attempt {
  const all = Buffer.concat(one.pieces.map((piece) => Buffer.from(piece, 'base64')));
  return { ...one, pieces: [all.toString('base64')] };
}

const smuggled = [
  ...[
    '0443',
    '+443',
    '443 ',
    ' 443',
    '443;80',
    '443,80',
    '443/80',
    '443#80',
    '0x1bb',
    '65979',
    '-443',
    '',
    '443:80',
  ].map((port) => proxied(`connect with the port ${JSON.stringify(port)}`, connect(`${API}:${port}`), GET)),
  ...[
    'Host: 169.254.169.254\r\n',
    `Host: ${API}:443\r\nHost: 169.254.169.254\r\n`,
    'Transfer-Encoding: chunked\r\n',
    `Content-Length: ${GET.length}\r\n`,
    'X: a\r\n b\r\n',
    'X : a\r\n',
    'X: a\nHost: 169.254.169.254\r\n',
    'X: \0\r\n',
    ': a\r\n',
  ].map((fields) => proxied(`connect with ${JSON.stringify(fields)}`, connect(`${API}:443`, fields), GET)),
  proxied('bare line feeds', `CONNECT ${API}:443 HTTP/1.1\n\n`, GET),
  proxied('HTTP/0.9', `GET http://${API}/\r\n\r\n`, GET),
  proxied('HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', GET),
  proxied('two spaces', `CONNECT  ${API}:443 HTTP/1.1\r\n\r\n`, GET),
  proxied('a tab', `CONNECT ${API}:443\tx HTTP/1.1\r\n\r\n`, GET),
  proxied('lower case', `connect ${API}:443 HTTP/1.1\r\n\r\n`, GET),
  proxied('an URL to connect to', connect('http://169.254.169.254:80/'), GET),
  proxied('no port to connect to', connect('169.254.169.254'), GET),
  proxied('a request in origin form', 'GET /latest/ HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n', GET),
  proxied('an asterisk', 'OPTIONS * HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n', GET),
  proxied('another scheme', 'GET gopher://169.254.169.254:80/_x HTTP/1.1\r\nHost: x\r\n\r\n', GET),
  proxied('an endless head', `CONNECT ${API}:443 HTTP/1.1\r\n${'X: y\r\n'.repeat(4000)}`, GET),
  proxied('SOCKS 4', Buffer.of(4, 1, 0, 80, 169, 254, 169, 254, 0), GET),
  proxied('SOCKS 4a', Buffer.concat([Buffer.of(4, 1, 0, 80, 0, 0, 0, 1, 0), Buffer.from('metadata\0')]), GET),
  proxied('SOCKS 5 to an IPv4 address', HELLO, Buffer.of(5, 1, 0, 1, 169, 254, 169, 254, 0, 80), GET),
  proxied(
    'SOCKS 5 to an IPv6 address',
    HELLO,
    Buffer.concat([Buffer.of(5, 1, 0, 4), Buffer.alloc(15), Buffer.of(1, 0, 80)]),
    GET,
  ),
  proxied('SOCKS 5 to no name', HELLO, Buffer.of(5, 1, 0, 3, 0, 0, 80), GET),
  proxied('SOCKS 5 BIND', HELLO, Buffer.of(5, 2, 0, 1, 127, 0, 0, 1, 0, 80), GET),
  proxied('SOCKS 5 UDP ASSOCIATE', HELLO, Buffer.of(5, 3, 0, 1, 0, 0, 0, 0, 0, 0), GET),
  proxied('SOCKS 5 with a password alone', Buffer.of(5, 1, 2), GET),
  proxied('TLS to the proxy itself', clientHello([serverName(API)])),
  claimed('an endless claim', 'a'.repeat(1000)),
  claimed('a claim of another port', `${API}:80\n${GET}`),
  claimed('a claim without a port', `169.254.169.254\n${GET}`),
  claimed('a claim within a claim', `${API}:443:80\n${GET}`),
];

/** Past the proxy; nobody judges these, since there is nothing to reach. */
const direct = [
  ...['169.254.169.254', '127.0.0.1', '10.66.0.1', '100.100.100.200', '93.184.216.34', '93.184.216.99'].map((host) =>
    attempt(`tcp ${host}:80`, { host, port: 80 }, GET),
  ),
  ...['::1', 'fd00:ec2::254', '::ffff:169.254.169.254', '64:ff9b::a9fe:a9fe'].map((host) =>
    attempt(`tcp [${host}]:80`, { host, port: 80 }, GET),
  ),
  attempt('tcp 127.0.0.53:53', { host: '127.0.0.53', port: 53 }, GET),
  ...['127.0.0.1', '93.184.216.34', '169.254.169.253', '::1'].map((host) => ({
    ...attempt(`dns ${host}`, { host, port: 53 }, Buffer.from('000101000001000000000000016101620000010001', 'hex')),
    datagram: true as const,
  })),
  ...['93.184.216.34', '169.254.169.254'].map((host) => ({
    ...attempt(`quic ${host}`, { host, port: 443 }, Buffer.alloc(1200, 0xc0)),
    datagram: true as const,
  })),
  attempt('the host abstract socket', { path: '\0ik-a1' }, GET),
  ...['/run/docker.sock', '/var/run/docker.sock', '/run/systemd/private', '/run/innerkeep/runtime.sock'].map((path) =>
    attempt(`unix ${path}`, { path }, GET),
  ),
];

export interface Section {
  readonly name: string;
  readonly attempts: readonly Attempt[];
}

/** Each runs in a sandbox of its own. */
export const sections: readonly Section[] = [
  ...bySpelling,
  { name: 'names by resolution', attempts: byResolution },
  { name: 'inside of TLS', attempts: inTls },
  { name: 'smuggled', attempts: smuggled },
  { name: 'direct', attempts: direct },
];
