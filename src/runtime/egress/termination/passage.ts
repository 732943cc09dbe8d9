import { Agent, createServer, request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http';
import { type Duplex, pipeline, Transform, type TransformCallback } from 'node:stream';
import { type TLSSocket, connect as tlsConnect } from 'node:tls';
import type { Credentials } from './credentials.ts';
import { type Echoes, EchoMask } from './echo-mask.ts';
import { answerFault, answerHeaders, onwardHeaders, requestFault, type Target } from './heads.ts';

/** Bytes of one head, either way. */
const MAX_HEAD = 16 * 1024;
/** Milliseconds for which a connection may rest between two requests. */
const REST = 60_000;

export interface PassageDeps {
  readonly target: Target;
  readonly credentials: Credentials;
  /** A fresh connection to the host, at the address that was judged. Rejects when there is none. */
  readonly dial: () => Promise<Duplex>;
  /** PEM of the authorities that may vouch for the host; undefined: the public ones. */
  readonly ca: string | undefined;
  /** Counts bytes against the sandbox's bounds. @throws when they are reached */
  readonly spend: (bytes: number) => void;
  /** What was refused or failed, for the operator; `error` is what lies behind it. */
  readonly report: (detail: string, error?: unknown) => void;
}

/**
 * Carries the requests of one connection, whose TLS ends here, to the host that it is for: HTTP/1.1 as node's strict
 * parser reads it, written anew; bodies stream, both ways.
 * @param tool the connection after its handshake
 */
export function carry(tool: TLSSocket, deps: PassageDeps): void {
  const { credentials, target, report } = deps;
  const agent = agentFor(tool, deps);
  let carried = false;
  const server = createServer(
    { insecureHTTPParser: false, requireHostHeader: false, maxHeaderSize: MAX_HEAD, keepAliveTimeout: REST },
    (request, response) => {
      const fault = requestFault(request, target);
      if (fault !== undefined) return refuse(response, 400, fault, report);
      const path = request.url?.split('?', 1)[0] ?? '';
      const verdict = credentials.judge(target.name, target.port, request.method ?? '', path);
      if ('refused' in verdict) return refuse(response, 403, verdict.refused, report);
      carried ||= verdict.added.length > 0;
      relay(
        request,
        response,
        { headers: onwardHeaders(request, target, verdict), agent, echoes: verdict.echoes },
        deps,
      );
    },
  );
  server.on('clientError', (error) => {
    const code = 'code' in error ? String(error.code) : error.message;
    if (code !== 'ECONNRESET') report(`a request that is not strict HTTP/1.1: ${code}`);
    if (tool.writable) tool.write('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    tool.destroySoon();
  });
  server.on('connect', (_, socket) => {
    report('the method CONNECT');
    socket.destroy();
  });
  const withdraw = credentials.onEnd(() => {
    // What was sent with a credential ends with it, answered or not.
    if (carried) tool.destroy();
  });
  tool.once('close', () => {
    withdraw();
    agent.destroy();
  });
  tool.setNoDelay(true);
  server.emit('connection', tool);
}

/** One connection to the host for one of the tool: certificate, name and address are the judged host's. */
function agentFor(tool: TLSSocket, { target, dial, ca }: PassageDeps): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1, timeout: 0 });
  agent.createConnection = (_, opened) => {
    dial()
      .then((socket) => {
        const secured = tlsConnect({
          socket,
          servername: target.name,
          minVersion: 'TLSv1.2',
          ALPNProtocols: ['http/1.1'],
          ...(ca === undefined ? {} : { ca }),
        });
        // Head and body are two writes: the second must not wait for the first one's acknowledgement.
        secured.setNoDelay(true);
        const failed = (error: Error) => opened?.(error, secured);
        const end = () => secured.destroy();
        if (tool.destroyed) end();
        tool.once('close', end);
        secured.once('error', failed);
        secured.once('close', () => {
          socket.destroy();
          tool.off('close', end);
        });
        secured.once('secureConnect', () => {
          secured.off('error', failed);
          opened?.(null, secured);
        });
      })
      .catch((error: Error) => opened?.(error, undefined as never));
    return undefined;
  };
  return agent;
}

function relay(
  request: IncomingMessage,
  response: ServerResponse,
  { headers, agent, echoes }: { headers: string[]; agent: Agent; echoes: Echoes | undefined },
  { spend, report }: PassageDeps,
): void {
  const { method = '', url = '' } = request;
  const onward = httpRequest({ agent, method, path: url, headers, setHost: false, maxHeaderSize: MAX_HEAD });
  let ended = false;
  const failed = (why: string, error?: unknown) => {
    if (ended) return;
    ended = true;
    onward.destroy();
    report(why, error);
    if (response.headersSent) response.destroy();
    else tell(response, 502, 'the host did not answer in a way that can be let through');
  };
  const over = (error: Error | null | undefined) => {
    if (error) failed(`the exchange broke off: ${error.message}`, error);
  };
  onward.on('error', (error) => failed(`the host could not be asked: ${error.message}`, error));
  response.once('close', () => onward.destroy());
  onward.on('upgrade', (_, socket) => {
    socket.destroy();
    failed('an upgrade that nobody asked for');
  });
  onward.on('response', (answer) => {
    const fault = answerFault(answer, echoes);
    if (fault !== undefined) return failed(fault);
    response.sendDate = false;
    const message = echoes?.mask(answer.statusMessage ?? '') ?? answer.statusMessage ?? '';
    response.writeHead(answer.statusCode ?? 502, message, answerHeaders(answer, echoes));
    response.flushHeaders();
    if (echoes === undefined) pipeline(answer, counting(spend), response, over);
    else pipeline(answer, counting(spend), masking(echoes), response, over);
  });
  // Not a pipeline: it would end the connection with the request, and nobody could be told why.
  const sent = counting(spend).on('error', over);
  request.on('error', () => onward.destroy());
  request.pipe(sent).pipe(onward);
}

/** Every message counts as a kilobyte more than its body has. */
function counting(spend: PassageDeps['spend']): Transform {
  const count = (bytes: number, done: TransformCallback, chunk?: Buffer): void => {
    try {
      spend(bytes);
    } catch (error) {
      done(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    done(null, chunk);
  };
  return new Transform({
    transform: (chunk: Buffer, _, done) => count(chunk.length, done, chunk),
    flush: (done) => count(1024, done),
  });
}

function masking(echoes: Echoes): Transform {
  const mask = new EchoMask(echoes);
  return new Transform({
    transform: (chunk: Buffer, _, done) => done(null, mask.push(chunk)),
    flush: (done) => done(null, mask.end()),
  });
}

/** The tool is told what it did wrong; nothing that it did not know before. */
function refuse(response: ServerResponse, status: number, why: string, report: PassageDeps['report']): void {
  report(why);
  tell(response, status, why);
}

function tell(response: ServerResponse, status: number, why: string): void {
  const body = `innerkeep: ${why}\n`;
  response.writeHead(status, { 'content-type': 'text/plain', 'content-length': body.length, connection: 'close' });
  response.end(body);
}
