import { type Asked, authority, type Client, Malformed } from './asked.ts';

/** Bytes of a request's head. */
const MOST = 16 * 1024;
const REQUEST = /^([A-Z]{1,16}) ([\x21-\x7e]{1,8192}) HTTP\/1\.[01]$/;
/** A field line without folding, and without space before the colon (RFC 9112 §5). */
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*?)[ \t]*$/;
/** Said to a proxy, or about this one connection (RFC 9110 §7.6.1). */
const OURS = new Set(['connection', 'proxy-connection', 'keep-alive', 'proxy-authorization', 'te', 'upgrade', 'host']);

interface Head {
  readonly method: string;
  readonly target: string;
  readonly fields: readonly (readonly [name: string, value: string])[];
}

/** HTTP/1.1 to a proxy: CONNECT (RFC 9110 §9.3.6), or a plain request in absolute form (RFC 9112 §3.2.2). */
export async function httpProxy(client: Client): Promise<Asked> {
  const head = await headOf(client);
  const { stream } = client;
  const refuse = () => stream.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
  if (head === undefined) {
    stream.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
    throw new Malformed('http', 'not a request that can be read in one way only');
  }
  return head.method === 'CONNECT' ? tunnel(head, client, refuse) : plain(head, client, refuse);
}

async function headOf({ reader }: Client): Promise<Head | undefined> {
  const text = await reader.through('\r\n\r\n', MOST).catch((error) => {
    if (error instanceof RangeError) return '';
    throw error;
  });
  const [first = '', ...lines] = text.slice(0, -4).split('\r\n');
  const [, method, target] = REQUEST.exec(first) ?? [];
  const fields = lines.map((line) => FIELD.exec(line)).map((match) => match && ([match[1], match[2]] as const));
  if (method === undefined || target === undefined || fields.some((field) => field === null)) return undefined;
  return { method, target, fields: fields as Head['fields'] };
}

function valuesOf({ fields }: Head, name: string): string[] {
  return fields.filter(([field]) => field.toLowerCase() === name).map(([, value]) => value);
}

function tunnel(head: Head, { stream }: Client, refuse: () => void): Asked {
  const { host, port } = authority(head.target);
  const hosts = valuesOf(head, 'host');
  // Two targets in one request, or a body that the one or the other end may not see.
  const smuggles =
    hosts.length > 1 ||
    hosts.some(
      (value) => value.toLowerCase() !== head.target.toLowerCase() && value.toLowerCase() !== host.toLowerCase(),
    ) ||
    valuesOf(head, 'transfer-encoding').length > 0 ||
    valuesOf(head, 'content-length').some((value) => value !== '0');
  if (smuggles) {
    refuse();
    throw new Malformed('connect', `CONNECT ${head.target} with another target or a body in its fields`);
  }
  const accept = () => stream.write('HTTP/1.1 200 Connection established\r\n\r\n');
  return { via: 'connect', host, port, accept, refuse };
}

/**
 * One request, sent on in origin form with the host that was judged; the answer is told to be the connection's last,
 * since a next request may be for another host.
 */
function plain(head: Head, { reader }: Client, refuse: () => void): Asked {
  // A fragment is not sent, and a backslash is a slash to some.
  if (!/^http:[^#\\]*$/i.test(head.target)) {
    refuse();
    throw new Malformed('http', `${head.method} ${head.target.slice(0, 200)}, which is no plain request to a proxy`);
  }
  const [, place = '', path = ''] = /^http:\/\/([^/?]*)(.*)$/i.exec(head.target) ?? [];
  const { host, port } = authority(/:\d*$/.test(place) ? place : `${place}:80`);
  const own = port === '80' ? host : `${host}:${port}`;
  const fields = head.fields.filter(([name]) => !OURS.has(name.toLowerCase()));
  const lines = [
    `${head.method} ${path.startsWith('/') ? path : `/${path}`} HTTP/1.1`,
    `Host: ${own}`,
    ...fields.map(([name, value]) => `${name}: ${value}`),
    'Connection: close',
  ];
  const accept = () => reader.prepend(Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'));
  return { via: 'http', host, port, plainOnly: true, accept, refuse };
}
