import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

export interface Target {
  readonly url: string;
  readonly ca?: string;
  readonly token?: string;
  readonly tool: string;
}

/** One keep-alive connection that speaks just enough HTTP/1.1; a library's client would cost more than what is measured. */
class Connection {
  readonly #socket: Socket;
  readonly #head: string;
  #buffer: Buffer = Buffer.alloc(0);
  #settle: { resolve: (body: string) => void; reject: (error: Error) => void } | undefined;

  constructor(socket: Socket, target: Target) {
    const { host, pathname } = new URL(target.url);
    this.#socket = socket;
    this.#head = [
      `POST ${pathname} HTTP/1.1`,
      `Host: ${host}`,
      'Content-Type: application/json',
      'Accept: application/json, text/event-stream',
      'MCP-Protocol-Version: 2025-11-25',
      ...(target.token === undefined ? [] : [`Authorization: Bearer ${target.token}`]),
      'Content-Length: ',
    ].join('\r\n');
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', (error) => this.#settle?.reject(error));
    socket.on('close', () => this.#settle?.reject(new Error('connection closed')));
  }

  send(body: string): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#socket.write(`${this.#head}${Buffer.byteLength(body)}\r\n\r\n${body}`);
    });
  }

  close(): void {
    this.#settle = undefined;
    this.#socket.destroy();
  }

  #read(chunk: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    const headEnd = this.#buffer.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const head = this.#buffer.toString('latin1', 0, headEnd).toLowerCase();
    const length = /\r\ncontent-length: (\d+)/.exec(head)?.[1];
    const body =
      length === undefined ? chunked(this.#buffer, headEnd + 4) : counted(this.#buffer, headEnd + 4, +length);
    if (body === undefined) return;
    this.#buffer = Buffer.alloc(0);
    const settle = this.#settle;
    this.#settle = undefined;
    if (head.startsWith('http/1.1 200')) settle?.resolve(body);
    else settle?.reject(new Error(`${head.slice(0, 30)} ${body.slice(0, 200)}`));
  }
}

function counted(buffer: Buffer, start: number, length: number): string | undefined {
  return buffer.length < start + length ? undefined : buffer.toString('utf8', start, start + length);
}

function chunked(buffer: Buffer, start: number): string | undefined {
  if (!buffer.subarray(-5).equals(Buffer.from('0\r\n\r\n'))) return undefined;
  return buffer.toString('utf8', start).replace(/(^|\r\n)[0-9a-f]+\r\n/g, '');
}

function open(target: Target): Promise<Connection> {
  const { protocol, hostname, port } = new URL(target.url);
  return new Promise((resolve, reject) => {
    const socket =
      protocol === 'https:'
        ? connectTls({ host: '127.0.0.1', port: +port, servername: hostname, ca: target.ca }, () => done())
        : connectTcp(+port, '127.0.0.1', () => done());
    const done = (): void => resolve(new Connection(socket, target));
    socket.once('error', reject);
  });
}

/** A closed loop: `concurrency` connections, `calls` calls of the tool `echo` in all, each answer checked. Milliseconds. */
export async function load(target: Target, concurrency: number, calls: number): Promise<number[]> {
  const connections = await Promise.all(Array.from({ length: concurrency }, () => open(target)));
  const times: number[] = [];
  let next = 0;
  const run = async (connection: Connection): Promise<void> => {
    while (next < calls) {
      const id = ++next;
      const text = `call ${id} says hello`;
      const params = { name: target.tool, arguments: { text } };
      const started = performance.now();
      const answer = await connection.send(JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params }));
      times.push(performance.now() - started);
      if (!answer.includes(`"${text}"`) || !answer.includes(`"id":${id}`)) throw new Error(`wrong answer: ${answer}`);
    }
  };
  try {
    await Promise.all(connections.map(run));
  } finally {
    for (const connection of connections) connection.close();
  }
  return times;
}
