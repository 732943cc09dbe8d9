import { type Asked, type Client, Malformed } from './asked.ts';

const NO_AUTHENTICATION = 0;
const CONNECT = 1;
const IPV4 = 1;
const NAME = 3;
const IPV6 = 4;
const NOTHING_BOUND = [0, IPV4, 0, 0, 0, 0, 0, 0];

/** SOCKS version 5 (RFC 1928): CONNECT, no authentication. Addresses are read so that they can be judged, and recorded. */
export async function socks5({ stream, reader }: Client): Promise<Asked> {
  const [version, methods = 0] = await reader.exactly(2);
  if (version !== 5) throw new Malformed('socks', 'another version than 5');
  if (!(await reader.exactly(methods)).includes(NO_AUTHENTICATION)) {
    stream.end(Uint8Array.of(5, 0xff));
    throw new Malformed('socks', 'no method that is served');
  }
  stream.write(Uint8Array.of(5, NO_AUTHENTICATION));
  const [again, command, reserved, type] = await reader.exactly(4);
  const end = (status: number) => stream.end(Uint8Array.of(5, status, ...NOTHING_BOUND));
  if (again !== 5 || reserved !== 0 || command !== CONNECT) {
    end(7);
    throw new Malformed('socks', `the command ${command}`);
  }
  const host = await hostOf(type, reader);
  const port = String((await reader.exactly(2)).readUInt16BE());
  return {
    via: 'socks',
    host,
    port,
    accept: () => stream.write(Uint8Array.of(5, 0, ...NOTHING_BOUND)),
    refuse: () => end(2),
  };
}

async function hostOf(type: number | undefined, reader: Client['reader']): Promise<string> {
  if (type === NAME) {
    const [length = 0] = await reader.exactly(1);
    return (await reader.exactly(length)).toString('latin1');
  }
  if (type === IPV4) return (await reader.exactly(4)).join('.');
  if (type !== IPV6) throw new Malformed('socks', `the address type ${type}`);
  const bytes = await reader.exactly(16);
  return bytes.toString('hex').replace(/(....)(?!$)/g, '$1:');
}
