import { connect, type TLSSocket } from 'node:tls';

export interface RawAnswer {
  readonly status: number;
  /** Lower-case names. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export interface Peer {
  readonly port: number;
  readonly ca: string;
}

/** A TLS connection that sends whatever it is told, and reads complete HTTP/1.1 responses. */
export class RawSocket {
  readonly #socket: TLSSocket;
  #bytes = Buffer.alloc(0);
  #closed = false;
  /** The answers to HEAD have a length, and no body. */
  bodiless = false;
  #wake: () => void = () => {};

  static open({ port, ca }: Peer): Promise<RawSocket> {
    // Types that lack allowHalfOpen take it from a constant.
    const options = { host: '127.0.0.1', port, ca, servername: 'localhost', allowHalfOpen: true };
    const socket = connect(options);
    return new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.once('secureConnect', () => resolve(new RawSocket(socket)));
    });
  }

  constructor(socket: TLSSocket) {
    this.#socket = socket;
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      this.#wake();
    });
    for (const event of ['end', 'close'])
      socket.on(event, () => {
        this.#closed = true;
        socket.destroy();
        this.#wake();
      });
  }

  /** Text goes one byte a character. */
  write(data: string | Uint8Array): void {
    if (!this.#closed) this.#socket.write(typeof data === 'string' ? Buffer.from(data, 'latin1') : data);
  }

  /** Half-closes: everything has been said. */
  end(): void {
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /**
   * The next complete response; `closed` when the peer hung up between two. A stream is its head alone.
   * @param silence milliseconds after which it is `silent` instead
   * @throws when the connection was closed in the middle of a response, or what came is none
   */
  async next(silence = 60_000): Promise<RawAnswer | 'closed' | 'silent'> {
    const end = Date.now() + silence;
    for (;;) {
      const answer = this.#take();
      if (answer !== undefined) return answer;
      if (this.#closed) {
        if (this.#bytes.length === 0) return 'closed';
        throw new Error(`a torn response: ${JSON.stringify(this.#bytes.toString('latin1').slice(0, 300))}`);
      }
      const left = end - Date.now();
      if (left <= 0) return 'silent';
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  #take(): RawAnswer | undefined {
    const text = this.#bytes.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    if (end === -1) return undefined;
    const [first = '', ...lines] = text.slice(0, end).split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1] ?? Number.NaN);
    if (Number.isNaN(status)) throw new Error(`no response: ${JSON.stringify(text.slice(0, 300))}`);
    const headers = new Map(
      lines.map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.replace(/^.*?:\s*/, '')]),
    );
    const streamed = headers.get('content-type')?.startsWith('text/event-stream');
    const length =
      status < 200 || status === 204 || streamed || this.bodiless
        ? 0
        : Number(headers.get('content-length') ?? Number.NaN);
    // Only a stream has no length: everything else that the edge says is a whole.
    if (Number.isNaN(length)) throw new Error(`a response without length: ${JSON.stringify(text.slice(0, 300))}`);
    const start = end + 4;
    if (this.#bytes.length < start + length) return undefined;
    const body = this.#bytes.subarray(start, start + length).toString('utf8');
    this.#bytes = this.#bytes.subarray(start + length);
    return { status, headers, body };
  }
}

/**
 * Says all of `data`, hears all that there is to hear, and then half-closes: the answers up to the end. Who keeps the
 * connection open without a word is told by `patience` milliseconds of silence that nothing more will come.
 */
export async function converse(peer: Peer, data: string | Uint8Array, patience = 250): Promise<readonly RawAnswer[]> {
  const socket = await RawSocket.open(peer);
  const answers: RawAnswer[] = [];
  try {
    socket.bodiless = typeof data === 'string' && data.startsWith('HEAD ');
    socket.write(data);
    for (let ended = false; ; ) {
      const answer = await socket.next(ended ? 60_000 : patience);
      if (answer === 'closed') return answers;
      if (answer === 'silent') {
        if (ended) throw new Error('the connection outlives its client');
        ended = true;
        socket.end();
      } else answers.push(answer);
    }
  } finally {
    socket.destroy();
  }
}

/** `work` for each item, `width` at a time. */
export async function each<T>(
  items: readonly T[],
  width: number,
  work: (item: T, at: number) => Promise<void>,
): Promise<void> {
  let at = 0;
  const lane = async (): Promise<void> => {
    for (let own = at++; own < items.length; own = at++) await work(items[own] as T, own);
  };
  await Promise.all(Array.from({ length: width }, lane));
}
