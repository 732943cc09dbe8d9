import { randomBytes } from 'node:crypto';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { type EgressAttempt, type EgressRule, ruleFor } from '../../contract/egress.ts';
import { judgeHost } from '../../contract/host-names.ts';
import type { WayOut } from '../../contract/sandbox-driver.ts';
import type { Loan } from '../../contract/wire-secret.ts';
import { type Asked, authority, type Client, Malformed } from './asked.ts';
import { Bounds, SANDBOX } from './bounds.ts';
import { ByteReader, EndOfInput } from './byte-reader.ts';
import { carry } from './carry.ts';
import { NotTls, peekClientHello } from './client-hello.ts';
import { EgressDenied } from './denied.ts';
import { dial, type Resolve } from './dial.ts';
import { Evidence, type Witness } from './evidence.ts';
import { httpProxy } from './http-proxy.ts';
import { socks5 } from './socks.ts';
import type { Terminator } from './terminator.ts';

const PROXY_PORT = 1080;
/** Milliseconds in which a client says what it wants, its ClientHello included. */
const GREETING = 20_000;
/** Bytes of the relay's line: a name, a port. */
const CLAIM = 300;

export interface ProxyOptions {
  readonly rules: readonly EgressRule[];
  /** Where the socket is made; only this process and the driver may get there. */
  readonly directory: string;
  readonly resolve: Resolve;
  /** Of all sandboxes of the server. */
  readonly bounds: Bounds;
  readonly now: () => number;
  /** Hears of what belongs to no call. */
  readonly witness: Witness;
  /** Hears of all. */
  readonly log: Witness;
  readonly terminator?: Terminator | undefined;
}

/** The one way out of one sandbox. */
export interface EgressProxy {
  readonly wayOut: WayOut;
  /** Whose attempts they are from now on; undefined: nobody's. */
  attribute(call: Witness | undefined): void;
  /** The credentials of its call, from now on; undefined: they are over. */
  lend(loan: Loan | undefined): void;
  /** Ends every connection. */
  close(): void;
}

/** Opens the proxy of one sandbox. @throws when its socket cannot be made */
export async function openProxy(options: ProxyOptions): Promise<EgressProxy> {
  const proxy = new SandboxProxy(options);
  const socket = join(options.directory, randomBytes(12).toString('hex'));
  await proxy.listen(socket);
  const ca = options.terminator?.ca;
  const wayOut = { socket, proxyPort: PROXY_PORT, names: namesOf(options.rules), ...(ca === undefined ? {} : { ca }) };
  return {
    wayOut,
    attribute: (call) => proxy.evidence.attribute(call),
    lend: (loan) => options.terminator?.lend(loan),
    close: () => proxy.close(),
  };
}

/** A wildcard has no address that could stand in /etc/hosts. */
function namesOf(rules: readonly EgressRule[]): WayOut['names'] {
  const ports = new Map<string, number[]>();
  for (const { host, port } of rules) if (!host.startsWith('*')) ports.set(host, [...(ports.get(host) ?? []), port]);
  return [...ports].map(([name, list]) => ({ name, ports: list }));
}

class SandboxProxy {
  readonly evidence: Evidence;
  readonly #options: ProxyOptions;
  readonly #bounds: Bounds;
  readonly #server: Server;
  readonly #open = new Set<Socket>();

  constructor(options: ProxyOptions) {
    this.#options = options;
    this.evidence = new Evidence(options.witness, options.log, options.now);
    this.#bounds = new Bounds(SANDBOX, options.now, options.bounds);
    this.#server = createServer({ allowHalfOpen: true }, (socket) => void this.#serve(socket));
  }

  /** The socket's directory is what keeps others away from it; the sandbox's own user must be able to write to it. */
  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen({ path, writableAll: true }, resolve);
    });
  }

  close(): void {
    this.#options.terminator?.lend(undefined);
    this.#server.close();
    for (const socket of this.#open) socket.destroy();
    this.evidence.sumUp();
  }

  async #serve(socket: Socket): Promise<void> {
    this.#open.add(socket);
    socket.on('close', () => this.#open.delete(socket));
    socket.on('error', () => {});
    const attempt = new Attempt(this.evidence);
    const reader = new ByteReader(socket, GREETING);
    let leave: (() => void) | undefined;
    try {
      leave = this.#bounds.enter();
      await this.#connect({ stream: socket, reader }, attempt);
    } catch (error) {
      attempt.failed(error, reader.bytes.length > 0);
      // What the client still says is read and thrown away, so that the answer reaches it.
      socket.resume();
      socket.destroySoon();
    } finally {
      leave?.();
    }
  }

  async #connect(client: Client, attempt: Attempt): Promise<void> {
    const { rules, resolve, terminator } = this.#options;
    const asked = await ask(client);
    attempt.asked = asked;
    const { name, rule } = judge(asked, rules);
    const spend = (bytes: number) => this.#bounds.spend(bytes);
    if (rule.tls && terminator?.wants(rule)) {
      attempt.allowed(undefined);
      attempt.accept();
      client.reader.restore();
      await terminator.terminate({ client: client.stream, name, rule, spend, dial: () => dial(name, rule, resolve) });
      return;
    }
    const host = await dial(name, rule, resolve);
    try {
      attempt.accept();
      if (rule.tls) await sameName(client, name);
      attempt.allowed(host.remoteAddress);
      await carry(client, host, spend);
    } finally {
      host.destroy();
    }
  }
}

/** What the first bytes ask for: the relay's line, and then what the client has to say. */
async function ask(client: Client): Promise<Asked> {
  const { reader, stream } = client;
  const claim = (await reader.through('\n', CLAIM)).slice(0, -1);
  if (claim !== 'proxy') {
    return { via: 'transparent', ...authority(claim), accept: () => {}, refuse: () => stream.end() };
  }
  while (reader.bytes.length === 0) await reader.more();
  const [first = 0] = reader.bytes;
  if (first === 5) return socks5(client);
  if (first >= 0x41 && first <= 0x5a) return httpProxy(client);
  throw new Malformed('unknown', `neither HTTP nor SOCKS 5: it begins with the byte ${first}`);
}

function judge(asked: Asked, rules: readonly EgressRule[]): { readonly name: string; readonly rule: EgressRule } {
  const host = judgeHost(asked.host);
  if ('fault' in host) throw new EgressDenied('host', host.fault, host.alert);
  const { name, scope } = host;
  if (!/^[1-9]\d{0,4}$/.test(asked.port)) throw new EgressDenied('malformed', `the port ${asked.port.slice(0, 20)}`);
  const rule = ruleFor(rules, name, Number(asked.port));
  if (rule === undefined) throw new EgressDenied('not-listed', 'no rule for this name and port', scope === 'private');
  if (asked.plainOnly && rule.tls) throw new EgressDenied('not-tls', 'a plain request where TLS is declared');
  return { name, rule };
}

/** TLS for the very name that was asked for, and no way to mean another. */
async function sameName({ reader }: Client, name: string): Promise<void> {
  const { serverName, encrypted } = await peekClientHello(reader).catch((error) => {
    throw error instanceof NotTls ? new EgressDenied('not-tls', error.message) : error;
  });
  if (serverName === undefined) throw new EgressDenied('sni', 'TLS without a server name');
  if (serverName !== name) {
    const meant = judgeHost(serverName);
    throw new EgressDenied('sni', `TLS for ${serverName}`, 'fault' in meant && meant.alert);
  }
  if (encrypted) throw new EgressDenied('sni', 'TLS with an encrypted ClientHello, which can hide a name');
}

/** One connection's way into the evidence: it is told once what became of it, and again when it is cut. */
class Attempt {
  readonly #evidence: Evidence;
  asked: Asked | undefined;
  #accepted = false;

  constructor(evidence: Evidence) {
    this.#evidence = evidence;
  }

  accept(): void {
    this.#accepted = true;
    this.asked?.accept();
  }

  allowed(address: string | undefined): void {
    this.#tell({ code: 'allowed', alert: false, ...(address === undefined ? {} : { address }) });
  }

  /** @param said whether there is something that it said and nobody has read */
  failed(error: unknown, said: boolean): void {
    // In a tunnel a proxy has no more to say.
    if (!this.#accepted) this.asked?.refuse();
    if (error instanceof EgressDenied) this.#tell({ code: error.code, detail: error.message, alert: error.alert });
    else if (error instanceof Malformed)
      this.#tell({ code: 'malformed', detail: error.message, alert: false, via: error.via });
    else if (error instanceof RangeError) this.#tell({ code: 'malformed', detail: error.message, alert: false });
    // Who came and said nothing has attempted nothing.
    else if (!(error instanceof EndOfInput)) this.#tell({ code: 'fault', detail: String(error), alert: false });
    else if (this.asked || said) this.#tell({ code: 'malformed', detail: 'it said nothing more', alert: false });
  }

  #tell(facts: Pick<EgressAttempt, 'code' | 'alert'> & Partial<EgressAttempt>): void {
    const { via = 'unknown', host, port } = this.asked ?? {};
    this.#evidence.tell({ via, target: host === undefined ? '' : `${host}:${port}`, ...facts });
  }
}
