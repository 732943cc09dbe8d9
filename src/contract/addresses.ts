/**
 * What an address is for (IANA special-purpose registries, RFC 6890). Only `public` can be reached from anywhere;
 * `metadata` is where clouds hand out a machine's own credentials, some of it in ranges that look public.
 */
export type AddressClass =
  | 'public'
  | 'metadata'
  | 'loopback'
  | 'private'
  | 'link-local'
  | 'multicast'
  | 'documentation'
  | 'reserved';

/** A CIDR block. */
export interface Network {
  readonly bytes: Uint8Array;
  readonly prefix: number;
}

const blocks: readonly (readonly [Network, AddressClass])[] = (
  [
    ['168.63.129.16/32', 'metadata'],
    ['100.100.100.200/32', 'metadata'],
    ['192.0.0.192/32', 'metadata'],
    ['169.254.169.0/24', 'metadata'],
    ['169.254.170.0/24', 'metadata'],
    ['169.254.0.23/32', 'metadata'],
    ['169.254.42.42/32', 'metadata'],
    ['0.0.0.0/8', 'loopback'],
    ['127.0.0.0/8', 'loopback'],
    ['10.0.0.0/8', 'private'],
    ['100.64.0.0/10', 'private'],
    ['172.16.0.0/12', 'private'],
    ['192.168.0.0/16', 'private'],
    ['169.254.0.0/16', 'link-local'],
    ['192.0.0.0/24', 'reserved'],
    ['192.0.2.0/24', 'documentation'],
    ['192.88.99.0/24', 'reserved'],
    ['198.18.0.0/15', 'reserved'],
    ['198.51.100.0/24', 'documentation'],
    ['203.0.113.0/24', 'documentation'],
    ['224.0.0.0/4', 'multicast'],
    ['240.0.0.0/4', 'reserved'],
    ['0.0.0.0/0', 'public'],
    ['fd00:ec2::/32', 'metadata'],
    ['fd20:ce::254/128', 'metadata'],
    ['fd00:42::42/128', 'metadata'],
    ['fd00:a9fe:a9fe::/64', 'metadata'],
    ['fd00:c1::a9fe:a9fe/128', 'metadata'],
    // `::` connects to this machine, as 0.0.0.0 does.
    ['::/127', 'loopback'],
    ['fc00::/7', 'private'],
    ['fec0::/10', 'private'],
    ['fe80::/10', 'link-local'],
    ['ff00::/8', 'multicast'],
    ['2001:db8::/32', 'documentation'],
    ['3fff::/20', 'documentation'],
    ['2001::/23', 'reserved'],
    ['2000::/3', 'public'],
    ['::/0', 'reserved'],
  ] as const
).map(([text, kind]) => [needed(text), kind]);

/** IPv6 blocks whose addresses carry an IPv4 address, which a gateway on the way may go on to, and the bytes it is in. */
const carriers: readonly (readonly [Network, readonly number[], flipped: boolean])[] = (
  [
    // IPv4-compatible and -mapped (RFC 4291 §2.5.5), translated (RFC 2765), NAT64 (RFC 6052, local: RFC 8215).
    ['::/96', [12, 13, 14, 15]],
    ['::ffff:0:0/96', [12, 13, 14, 15]],
    ['::ffff:0:0:0/96', [12, 13, 14, 15]],
    ['64:ff9b::/96', [12, 13, 14, 15]],
    ['64:ff9b:1::/48', [12, 13, 14, 15]],
    ['64:ff9b:1::/48', [6, 7, 9, 10]],
    // 6to4 (RFC 3056), Teredo's server and its client (RFC 4380 §4).
    ['2002::/16', [2, 3, 4, 5]],
    ['2001::/32', [4, 5, 6, 7]],
    ['2001::/32', [12, 13, 14, 15], true],
  ] as const
).map(([text, places, flipped = false]) => [needed(text), places, flipped]);

/** Of what an IPv6 address carries, the first of these is what the address counts as. */
const worstFirst: readonly AddressClass[] = ['metadata', 'loopback', 'link-local', 'private'];

/** @param text the one textual form of an address; anything else is undefined: of no class, and never public */
export function classOf(text: string): AddressClass | undefined {
  const bytes = parseAddress(text);
  return bytes && classify(bytes);
}

/** @param bytes four or sixteen */
export function classify(bytes: Uint8Array): AddressClass {
  const own = blocks.find(([network]) => contains(network, bytes))?.[1] ?? 'reserved';
  if (bytes.length === 4 || (own !== 'public' && own !== 'reserved')) return own;
  const carried = carriedIpv4(bytes).map(classify);
  if (carried.length === 0) return own;
  return worstFirst.find((kind) => carried.includes(kind)) ?? 'reserved';
}

function carriedIpv4(bytes: Uint8Array): Uint8Array[] {
  const found = carriers
    .filter(([network]) => contains(network, bytes))
    .map(([, places, flipped]) => Uint8Array.from(places, (place) => (bytes[place] ?? 0) ^ (flipped ? 0xff : 0)));
  // ISATAP (RFC 5214 §6.1): any prefix, and then 0:5efe or 200:5efe.
  const [a, b, c, d] = bytes.subarray(8, 12);
  const isatap = (a === 0 || a === 2) && b === 0 && c === 0x5e && d === 0xfe;
  return isatap ? [...found, bytes.slice(12)] : found;
}

/** Never true across families: an IPv6 address that carries an IPv4 address is not in that one's network. */
export function contains({ bytes: start, prefix }: Network, address: Uint8Array): boolean {
  if (start.length !== address.length) return false;
  return start.every((byte, index) => {
    const mask = 0xff & (0xff00 >> Math.max(0, Math.min(8, prefix - 8 * index)));
    return ((byte ^ (address[index] ?? 0)) & mask) === 0;
  });
}

/** `10.1.0.0/16`, `fd12::/16`; undefined when it is not one, or has bits behind its prefix. */
export function parseNetwork(text: string): Network | undefined {
  const [, address = '', digits = ''] = /^([^/]+)\/(0|[1-9]\d{0,2})$/.exec(text) ?? [];
  const bytes = parseAddress(address);
  const prefix = Number(digits);
  if (bytes === undefined || digits === '' || prefix > 8 * bytes.length) return undefined;
  const network = { bytes, prefix };
  const behind = bytes.some((byte, index) => (byte & (0xff >> Math.max(0, Math.min(8, prefix - 8 * index)))) !== 0);
  return behind ? undefined : network;
}

function needed(text: string): Network {
  const network = parseNetwork(text);
  if (network === undefined) throw new RangeError(text);
  return network;
}

/**
 * The strict textual form: dotted decimal without leading zeros, or RFC 4291 §2.2 without zone.
 * @returns four or sixteen bytes
 */
export function parseAddress(text: string): Uint8Array | undefined {
  return text.includes(':') ? parseIpv6(text) : parseIpv4(text);
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.');
  if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256))
    return undefined;
  return Uint8Array.from(parts, Number);
}

function parseIpv6(text: string): Uint8Array | undefined {
  const [head = '', tail, more] = text.split('::');
  if (more !== undefined) return undefined;
  const before = groups(head, tail === undefined);
  const after = tail === undefined ? [] : groups(tail, true);
  if (before === undefined || after === undefined) return undefined;
  const missing = 16 - before.length - after.length;
  if (tail === undefined ? missing !== 0 : missing < 2) return undefined;
  return Uint8Array.from([...before, ...new Array<number>(missing).fill(0), ...after]);
}

/** The bytes of `a:b:c`, at the address's end maybe with `:1.2.3.4` behind. */
function groups(text: string, last: boolean): number[] | undefined {
  if (text === '') return [];
  const bytes: number[] = [];
  const parts = text.split(':');
  for (const [index, part] of parts.entries()) {
    const dotted = last && index === parts.length - 1 && part.includes('.') ? parseIpv4(part) : undefined;
    if (dotted) bytes.push(...dotted);
    else if (/^[0-9a-f]{1,4}$/i.test(part))
      bytes.push(Number.parseInt(part, 16) >> 8, Number.parseInt(part, 16) & 0xff);
    else return undefined;
  }
  return bytes;
}

/**
 * An IPv4 address in any form that some C library or browser takes for one: one to four parts, decimal, octal or
 * hexadecimal, the last of which fills what is left (inet_aton(3)). Undefined where it is a number but too large.
 */
export function parseLooseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.').map(looseNumber);
  const last = parts.pop();
  if (last === undefined || parts.length > 3 || parts.some((part) => part === undefined || part > 255))
    return undefined;
  const room = 4 - parts.length;
  if (last >= 256 ** room) return undefined;
  const rest = Array.from({ length: room }, (_, index) => Math.floor(last / 256 ** (room - 1 - index)) % 256);
  return Uint8Array.from([...parts.map(Number), ...rest]);
}

function looseNumber(text: string): number | undefined {
  if (/^0x[0-9a-f]*$/i.test(text)) return Number.parseInt(`0${text.slice(2)}`, 16);
  if (/^0[0-7]*$/.test(text)) return Number.parseInt(text, 8);
  return /^[0-9]+$/.test(text) ? Number(text) : undefined;
}
