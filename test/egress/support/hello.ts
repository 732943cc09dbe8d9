/** A ClientHello (RFC 8446 §4.1.2) in one record, with the extensions that are asked for. */
export function clientHello(extensions: readonly Buffer[]): Buffer {
  const body = Buffer.concat([
    Buffer.of(3, 3),
    Buffer.alloc(32, 7),
    Buffer.of(0),
    sized(2, Buffer.of(0x13, 0x02)),
    sized(1, Buffer.of(0)),
    sized(2, Buffer.concat([...extensions, extension(0x2b, Buffer.of(2, 3, 4))])),
  ]);
  return record(Buffer.concat([Buffer.of(1), sized(3, body)]));
}

export function record(...fragments: readonly Buffer[]): Buffer {
  return Buffer.concat(fragments.map((fragment) => Buffer.concat([Buffer.of(22, 3, 1), sized(2, fragment)])));
}

/** The handshake message of `clientHello`, cut into records of at most so many bytes. */
export function fragmented(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5);
  const count = Math.ceil(message.length / size);
  return record(...Array.from({ length: count }, (_, index) => message.subarray(index * size, (index + 1) * size)));
}

/** server_name (RFC 6066 §3) with these names. */
export function serverName(...names: readonly string[]): Buffer {
  const list = names.map((name) => Buffer.concat([Buffer.of(0), sized(2, Buffer.from(name, 'latin1'))]));
  return extension(0, sized(2, Buffer.concat(list)));
}

export function extension(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.of(type >> 8, type & 0xff), sized(2, body)]);
}

/** encrypted_client_hello as a client sends it: of type outer, with a key and a payload (RFC 9849 §5). */
export function encryptedClientHello(): Buffer {
  const inner = Buffer.concat([
    Buffer.of(0, 0, 1, 0, 1, 42),
    sized(2, Buffer.alloc(32, 1)),
    sized(2, Buffer.alloc(144, 2)),
  ]);
  return extension(0xfe0d, inner);
}

function sized(bytes: number, content: Buffer): Buffer {
  const length = Buffer.alloc(bytes);
  length.writeUIntBE(content.length, 0, bytes);
  return Buffer.concat([length, content]);
}
