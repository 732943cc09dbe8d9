import type { ByteReader } from './byte-reader.ts';

/** Bytes of records that are looked at; a post-quantum ClientHello has less than 2 kB. */
const MOST = 16 * 1024;
/** Records that it may be cut into. */
const RECORDS = 32;
const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
/** encrypted_client_hello (RFC 9849), and encrypted_server_name of the drafts before it. */
const HIDDEN_NAMES = new Set([0xfe0d, 0xffce]);

/** The bytes are not a ClientHello of TLS 1.0 or later: what was expected, and what is there. */
export class NotTls extends Error {}

export interface ClientHello {
  /** Lower-case; undefined: no server_name extension. */
  readonly serverName: string | undefined;
  /** It has, or pretends to have, a second ClientHello that only the server can read. */
  readonly encrypted: boolean;
}

/**
 * Reads a ClientHello (RFC 8446 §4.1.2), in however many segments and records it comes, and takes none of it.
 * Strict: every length adds up, no extension comes twice, so that no server reads another name in it.
 * @throws NotTls, EndOfInput
 */
export async function peekClientHello(reader: ByteReader): Promise<ClientHello> {
  for (;;) {
    const found = handshakeMessage(reader.bytes);
    if (typeof found !== 'number') return parse(found);
    if (found > MOST) throw new NotTls(`a ClientHello of more than ${MOST} bytes`);
    while (reader.bytes.length < found) await reader.more();
  }
}

/** The first handshake message out of its records, or how many bytes there must be to see more of it. */
function handshakeMessage(bytes: Buffer): Buffer | number {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    if (at < bytes.length && bytes[at] !== HANDSHAKE) throw new NotTls('no TLS handshake record');
    if (at + 1 < bytes.length && bytes[at + 1] !== 3) throw new NotTls('not the version of a TLS record');
    if (bytes.length < at + 5) return bytes.length + 1;
    const length = bytes.readUInt16BE(at + 3);
    if (length === 0 || length > 2 ** 14) throw new NotTls('a handshake record of no or too many bytes');
    if (parts.push(bytes.subarray(at + 5, at + 5 + length)) > RECORDS) throw new NotTls('too many records');
    const head = Buffer.concat(parts);
    if (head.length > 0 && head[0] !== CLIENT_HELLO) throw new NotTls('no ClientHello');
    const needed = head.length < 4 ? 4 : 4 + head.readUIntBE(1, 3);
    if (head.length >= 4 && head.length >= needed) return head.subarray(4, needed);
    at += 5 + length;
    if (bytes.length < at) return Math.min(at, bytes.length + needed - head.length);
  }
}

function parse(message: Buffer): ClientHello {
  const hello = new Fields(message);
  if (hello.number(2) >> 8 !== 3) throw new NotTls('not a version of TLS');
  hello.bytes(32);
  for (const size of [1, 2, 1]) hello.bytes(hello.number(size));
  const extensions = new Fields(hello.left > 0 ? hello.bytes(hello.number(2)) : Buffer.alloc(0));
  hello.end();
  const seen = new Set<number>();
  let serverName: string | undefined;
  while (extensions.left > 0) {
    const type = extensions.number(2);
    const body = extensions.bytes(extensions.number(2));
    if (seen.has(type)) throw new NotTls(`the extension ${type} twice`);
    seen.add(type);
    if (type === SERVER_NAME) serverName = nameIn(new Fields(body));
  }
  return { serverName, encrypted: [...HIDDEN_NAMES].some((type) => seen.has(type)) };
}

/** Exactly one name, of the one type that there is (RFC 6066 §3). */
function nameIn(extension: Fields): string {
  const list = new Fields(extension.bytes(extension.number(2)));
  extension.end();
  if (list.number(1) !== 0) throw new NotTls('a server name that is no host name');
  const name = list.bytes(list.number(2)).toString('latin1').toLowerCase();
  list.end();
  return name;
}

/** Reads lengths and what they announce. @throws NotTls where there is less, or more */
class Fields {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  bytes(count: number): Buffer {
    if (this.left < count) throw new NotTls('a ClientHello that is cut short');
    this.#at += count;
    return this.#bytes.subarray(this.#at - count, this.#at);
  }

  number(size: number): number {
    return this.bytes(size).readUIntBE(0, size);
  }

  end(): void {
    if (this.left > 0) throw new NotTls('a ClientHello with bytes that belong to nothing');
  }
}
