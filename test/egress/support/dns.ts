import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import type { AddressInfo } from 'node:net';

/** Addresses, or `CNAME name`, for the n-th question (from 1) about a name. */
export type Zone = Readonly<Record<string, (question: number) => readonly string[]>>;

/** A DNS server on the loopback (RFC 1035) that may answer differently each time, with a TTL of 0. */
export interface Dns extends AsyncDisposable {
  /** All addresses of a name, as a machine that uses this server finds them. */
  resolve(name: string): Promise<readonly string[]>;
  /** Questions so far, by name. */
  readonly asked: ReadonlyMap<string, number>;
}

const types: Readonly<Record<string, number>> = { A: 1, CNAME: 5, AAAA: 28 };

/** @param port 0: any free one */
export async function openDns(zone: Zone, port = 0): Promise<Dns> {
  const asked = new Map<string, number>();
  const socket = createSocket('udp4');
  socket.on('message', (query, from) => {
    const { name, end } = nameAt(query, 12);
    const type = query.readUInt16BE(end);
    if (type === types.A) asked.set(name, (asked.get(name) ?? 0) + 1);
    const answers = answersFor(zone, name, type, asked.get(name) ?? 1);
    const head = Buffer.alloc(12);
    query.copy(head, 0, 0, 2);
    head.writeUInt16BE(answers === undefined ? 0x8583 : 0x8580, 2);
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(answers?.length ?? 0, 6);
    socket.send(Buffer.concat([head, query.subarray(12, end + 4), ...(answers ?? [])]), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(port, '127.0.0.1', resolve));
  const resolver = new Resolver({ timeout: 60_000, tries: 1 });
  resolver.setServers([`127.0.0.1:${(socket.address() as AddressInfo).port}`]);
  return {
    asked,
    resolve: async (name) => {
      const found = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
      const all = found.flatMap((one) => (one.status === 'fulfilled' ? one.value : []));
      const failed = found.find((one) => one.status === 'rejected');
      if (all.length === 0) throw failed?.reason;
      return all;
    },
    [Symbol.asyncDispose]: () => new Promise((resolve) => socket.close(() => resolve())),
  };
}

/** The records for a name, aliases followed; undefined: no such name. */
function answersFor(zone: Zone, name: string, type: number, question: number): Buffer[] | undefined {
  const records = Object.hasOwn(zone, name) ? zone[name]?.(question) : undefined;
  return records?.flatMap((record) => {
    const [, alias] = /^CNAME (.+)$/.exec(record) ?? [];
    if (alias === undefined) {
      const own = record.includes(':') ? types.AAAA : types.A;
      return own === type ? [answer(name, type, addressBytes(record))] : [];
    }
    return [answer(name, types.CNAME ?? 5, nameBytes(alias)), ...(answersFor(zone, alias, type, question) ?? [])];
  });
}

function answer(name: string, type: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([nameBytes(name), fixed, data]);
}

function nameBytes(name: string): Buffer {
  const labels = name.split('.').map((label) => Buffer.concat([Buffer.of(label.length), Buffer.from(label)]));
  return Buffer.concat([...labels, Buffer.of(0)]);
}

function nameAt(query: Buffer, start: number): { readonly name: string; readonly end: number } {
  const labels: string[] = [];
  let at = start;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), end: at + 1 };
}

/** IPv6 is written here with all of its groups. */
function addressBytes(text: string): Buffer {
  if (!text.includes(':')) return Buffer.from(text.split('.').map(Number));
  const groups = text.split(':').map((group) => Number.parseInt(group, 16));
  return Buffer.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}
