import { createSocket } from 'node:dgram';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EgressAttempt, EgressRule } from '../../../src/contract/egress.ts';
import { bubblewrap } from '../../../src/drivers/sandbox-driver/bubblewrap/bubblewrap.ts';
import { Bounds, SERVER } from '../../../src/runtime/egress/bounds.ts';
import { systemResolver } from '../../../src/runtime/egress/dial.ts';
import { openProxy } from '../../../src/runtime/egress/proxy.ts';
import { certificate } from '../../edge/certificate.ts';
import { API, badNames, type Section, sections } from './battery.ts';
import { openDns } from './dns.ts';

/**
 * A machine as a cloud has it, in network and mount namespaces of its own: a metadata service that answers, services on
 * the loopback and on inner addresses, a public API, a name server that lies. `a1.test.ts` starts it and reads its JSON.
 */
export interface Outcome {
  readonly sections: readonly {
    readonly name: string;
    readonly results: readonly { readonly id: string; readonly got: string }[];
    readonly records: readonly EgressAttempt[];
  }[];
  readonly clients: { readonly output: string; readonly records: readonly EgressAttempt[] };
  /** The address and port of every connection and datagram that has arrived anywhere but at the public API. */
  readonly breaches: readonly string[];
}

const SECRET = 'ROLE-CREDENTIALS-OF-THIS-MACHINE';
const PUBLIC = '93.184.216.34';
const zone = {
  [API]: () => [PUBLIC],
  'plain.example.org': () => [PUBLIC],
  'redirects.example.org': () => [PUBLIC],
  'to-metadata.example.org': () => ['169.254.169.254'],
  'to-loopback.example.org': () => ['127.0.0.1'],
  'to-inner.example.org': () => ['10.66.0.1'],
  'to-shared.example.org': () => ['100.100.100.200'],
  'to-zero.example.org': () => ['0.0.0.0'],
  'to-own.example.org': () => ['93.184.216.99'],
  'to-mapped.example.org': () => ['0:0:0:0:0:ffff:a9fe:a9fe'],
  'to-nat64.example.org': () => ['64:ff9b:0:0:0:0:a9fe:a9fe'],
  'to-6to4.example.org': () => ['2002:a9fe:a9fe:0:0:0:0:1'],
  'to-ula.example.org': () => ['fd00:ec2:0:0:0:0:0:254'],
  'to-six-loopback.example.org': () => ['0:0:0:0:0:0:0:1'],
  'mixed.example.org': () => [PUBLIC, '169.254.169.254'],
  'alias.example.org': () => ['CNAME metadata.google.internal'],
  'long-alias.example.org': () => ['CNAME alias.example.org'],
  'metadata.google.internal': () => ['169.254.169.254'],
  'rebinds.example.org': (question: number) => (question === 1 ? [PUBLIC] : ['169.254.169.254']),
};

const breaches: string[] = [];

const isPublic = ({ localAddress }: Socket) => localAddress?.replace('::ffff:', '') === PUBLIC;

/** Whoever connects to anything but the public address has got where nobody has to get. */
function counted(server: Server): (socket: Socket) => void {
  return (socket) => {
    if (!isPublic(socket)) breaches.push(`tcp ${socket.localAddress}:${socket.localPort}`);
    socket.on('error', () => {});
    server.emit('connection', socket);
  };
}

async function listen(server: Server, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '::', resolve);
  });
}

/** @returns PEM of the authority of the public API */
async function openMachine(): Promise<string> {
  const { cert, key } = await certificate(API, 'redirects.example.org');
  const metadata = createHttp((request, response) => {
    response.end(isPublic(request.socket) ? `public ${request.headers.host}` : SECRET);
  });
  const api = createHttps({ cert, key }, (request, response) => {
    const to = new URL(request.url ?? '/', 'https://x').searchParams.get('to');
    if (to === null) response.end(`hello from ${request.headers.host}`);
    else response.writeHead(302, { location: to }).end();
  });
  await listen(createServer(counted(metadata)), 80);
  await listen(createServer(counted(metadata)), 8080);
  await listen(createServer(counted(api)), 443);
  await new Promise<void>((resolve) => createServer(counted(metadata)).listen('\0ik-a1', resolve));
  const quic = createSocket('udp6', () => breaches.push('udp 443'));
  await new Promise<void>((resolve) => quic.bind(443, '::', resolve));
  return cert;
}

const rules: EgressRule[] = [
  ...[API, 'redirects.example.org', ...badNames].map((host) => ({ host, port: 443, tls: true, inspect: false })),
  ...badNames.map((host) => ({ host, port: 80, tls: false, inspect: false })),
  { host: 'plain.example.org', port: 8080, tls: false, inspect: false },
];

const directory = mkdtempSync(join(tmpdir(), 'ik-a1-'));
chmodSync(directory, 0o755);
const driver = bubblewrap({ node: process.execPath, forbidden: [] });
const bounds = new Bounds(SERVER, Date.now);
const resolve = systemResolver();

async function inSandbox(command: readonly string[], files: Readonly<Record<string, string>>) {
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  const records: EgressAttempt[] = [];
  const witness = (attempt: EgressAttempt) => void records.push(attempt);
  const sockets = mkdtempSync(join(tmpdir(), 'ik-egress-'));
  chmodSync(sockets, 0o711);
  const proxy = await openProxy({ rules, directory: sockets, resolve, bounds, now: Date.now, witness, log: () => {} });
  const profile = { name: 'a1', command, root: directory, mounts: [], memory: 256 << 20, pids: 64 };
  const sandbox = await driver.start({ ...profile, wayOut: proxy.wayOut });
  let output = '';
  for await (const chunk of sandbox.stdout) output += Buffer.from(chunk).toString('utf8');
  await sandbox.exited;
  proxy.close();
  rmSync(sockets, { recursive: true });
  return { output, records };
}

async function battery({ name, attempts }: Section): Promise<Outcome['sections'][number]> {
  const program = readFileSync(join(import.meta.dirname, '../programs/attempts.mjs'), 'utf8');
  const files = { 'attempts.mjs': program, 'attempts.json': JSON.stringify(attempts) };
  const { output, records } = await inSandbox(['node', 'attempts.mjs'], files);
  const got = JSON.parse(output) as string[];
  return { name, results: attempts.map(({ id }, index) => ({ id, got: got[index] ?? 'nothing' })), records };
}

/** Real clients that follow what a server tells them; each line ends with what came of it. */
const redirects = [
  'http://169.254.169.254/',
  'http://127.0.0.1/',
  'http://[::1]/',
  'http://2852039166/',
  'http://metadata/',
];
const clients = `
set -f
for to in ${redirects.map((to) => `'${to}'`).join(' ')}; do
  for how in '' '--noproxy *' '--proxy socks5h://127.0.0.1:1080'; do
    curl -s -L -g --max-time 5 $how --cacert ca.pem "https://redirects.example.org/?to=$to" | grep -c ROLE
  done
done
curl -s --max-time 60 --cacert ca.pem https://${API}/; echo
curl -s --max-time 60 http://plain.example.org:8080/; echo
curl -s --max-time 60 -H 'Host: 169.254.169.254' http://plain.example.org:8080/; echo`;

// A process that says nothing in time has hung.
setTimeout(() => process.exit(70), 600_000).unref();
const ca = await openMachine();
await openDns(zone, 53);
const ran: Outcome['sections'][number][] = [];
for (const section of sections) ran.push(await battery(section));
const outcome: Outcome = {
  sections: ran,
  clients: await inSandbox(['sh', '-c', clients], { 'ca.pem': ca }).then(({ output, records }) => ({
    output,
    records,
  })),
  breaches,
};
rmSync(directory, { recursive: true });
process.stdout.write(JSON.stringify(outcome), () => process.exit(0));
