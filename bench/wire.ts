// What a credential on the wire costs: a sandbox's authority, a request beside the same one without the proxy, the search for
// echoes, and whether memory stays flat while half a gigabyte goes through.

import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Agent, createServer as createHttps, request } from 'node:https';
import { type AddressInfo, connect, createServer as createTcp } from 'node:net';
import { authorityCertificate, leafCertificate } from '../src/control-plane/pki/certificates.ts';
import { SandboxAuthority } from '../src/runtime/egress/termination/authority.ts';
import { Echoes, EchoMask } from '../src/runtime/egress/termination/echo-mask.ts';
import { terminatorFor } from '../src/runtime/egress/termination/terminator.ts';

const NAME = 'api.example.org';
const VALUE = 'sk_live_4eC39HqLyjWDarjtT1zdp7dc';
const MEGABYTE = 1 << 20;
const HALF_A_GIGABYTE = 512;

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ca = await authorityCertificate(privateKey, Date.now());
const chunk = Buffer.from('{"id":17,"name":"The quick brown fox","at":"2026-11-29T05:00:00Z"}'.repeat(1000));
const answer = (asked: IncomingMessage, response: ServerResponse): void => {
  if (asked.url === '/v1/small') return void response.end('fine');
  let left = HALF_A_GIGABYTE * MEGABYTE;
  const more = (): void => {
    while (left > 0) {
      left -= chunk.length;
      if (!response.write(chunk)) return void response.once('drain', more);
    }
    response.end();
  };
  more();
};
const api = createHttps(await leafCertificate(privateKey, [NAME], Date.now()), answer).listen(0, '127.0.0.1');
await once(api, 'listening');
const target = (api.address() as AddressInfo).port;

const rules = [{ host: NAME, port: 443, tls: true, inspect: false, ca }];
const secret = {
  ref: 'a',
  host: NAME,
  port: 443,
  methods: ['GET'],
  paths: ['/v1/*'],
  header: 'authorization',
  template: '{value}',
};
const clock = { now: Date.now, setTimer: () => () => {} };
const terminator = terminatorFor(rules, [secret], clock);
terminator.lend({
  leases: [{ id: '1', ref: 'a', value: VALUE, version: 1, until: Number.MAX_SAFE_INTEGER }],
  used: () => {},
});
const dial = async () => {
  const socket = connect(target, '127.0.0.1');
  await once(socket, 'connect');
  return socket;
};
const [rule] = rules;
const proxy = createTcp((client) => {
  if (rule) terminator.terminate({ client, name: NAME, rule, dial, spend: () => {} }).catch(() => {});
}).listen(0, '127.0.0.1');
await once(proxy, 'listening');

const ways = {
  direct: { port: target, ca, agent: new Agent({ keepAlive: true, maxSockets: 1 }) },
  proxied: {
    port: (proxy.address() as AddressInfo).port,
    ca: terminator.ca,
    agent: new Agent({ keepAlive: true, maxSockets: 1 }),
  },
};

function get(way: keyof typeof ways, path: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const asked = { ...ways[way], host: '127.0.0.1', servername: NAME, path, headers: { host: NAME } };
    const sent = request(asked, (response) => {
      let bytes = 0;
      response.on('data', (part: Buffer) => {
        bytes += part.length;
      });
      response.on('end', () => resolve(bytes));
    });
    sent.on('error', reject);
    sent.end();
  });
}

/** Milliseconds of the fastest of some rounds, each of so many. */
async function fastest(rounds: number, count: number, act: () => Promise<unknown> | unknown): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < rounds; round++) {
    const begun = performance.now();
    for (let turn = 0; turn < count; turn++) await act();
    best = Math.min(best, (performance.now() - begun) / count);
  }
  return best;
}

const print = (name: string, figure: string): void => console.log(`${name.padEnd(46)} ${figure}`);
print(
  'authority of one sandbox, ms',
  (await fastest(10, 50, () => new SandboxAuthority([NAME], Date.now()))).toFixed(2),
);
for (const way of ['direct', 'proxied'] as const)
  print(`a small request, ${way}, ms`, (await fastest(10, 100, () => get(way, '/v1/small'))).toFixed(2));
const echoes = new Echoes([VALUE]);
const megabytes = 16;
const piece = Buffer.concat(Array.from({ length: 16 }, () => chunk));
const search = await fastest(5, 1, () => {
  const mask = new EchoMask(echoes);
  for (let bytes = 0; bytes < megabytes * MEGABYTE; bytes += piece.length) mask.push(Buffer.from(piece));
});
print('search for echoes, MB/s', ((megabytes / search) * 1000).toFixed(0));
const before = process.memoryUsage.rss();
let peak = before;
const watch = setInterval(() => {
  peak = Math.max(peak, process.memoryUsage.rss());
}, 20);
const bytes = await get('proxied', '/v1/large');
clearInterval(watch);
print(`resident growth over ${Math.round(bytes / MEGABYTE)} MiB, MiB`, ((peak - before) / MEGABYTE).toFixed(0));
for (const { agent } of Object.values(ways)) agent.destroy();
api.close();
proxy.close();
