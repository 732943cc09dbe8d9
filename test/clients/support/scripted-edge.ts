import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TestContext } from 'node:test';
import { certificate } from '../../edge/certificate.ts';

// biome-ignore lint/suspicious/noExplicitAny: what a test looks into is its own business
export type Json = any;

/** One request that the edge heard, and the answer that the script may give to it. */
export interface Heard {
  readonly http: string;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly message: Json;
  readonly answer: ServerResponse;
  /** Resolves when the client has closed the connection before the answer was complete. */
  readonly disconnected: Promise<void>;
}

/** A TLS server that does what a test's script says with each request: a counterparty without manners of its own. */
export async function scriptedEdge(t: TestContext, script: (heard: Heard) => void) {
  const identity = await certificate('localhost');
  const heard: Heard[] = [];
  const waiting: { test: (one: Heard) => boolean; resolve: (one: Heard) => void }[] = [];
  const server = createServer(identity, async (request: IncomingMessage, answer) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const text = Buffer.concat(chunks).toString();
    const one: Heard = {
      http: request.method ?? '',
      headers: request.headers,
      text,
      message: text === '' ? undefined : JSON.parse(text),
      answer,
      disconnected: new Promise((resolve) =>
        answer.once('close', () => {
          if (!answer.writableFinished) resolve();
        }),
      ),
    };
    heard.push(one);
    script(one);
    for (const wish of [...waiting]) {
      if (!wish.test(one)) continue;
      waiting.splice(waiting.indexOf(wish), 1);
      wish.resolve(one);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url: `https://localhost:${(server.address() as AddressInfo).port}/mcp`,
    ca: identity.cert,
    heard,
    /** The `nth` request that passes the test, now or later. */
    async hears(test: (one: Heard) => boolean, nth = 1): Promise<Heard> {
      const so = heard.filter(test);
      if (so.length >= nth) return so[nth - 1] as Heard;
      await new Promise<Heard>((resolve) => waiting.push({ test, resolve }));
      return this.hears(test, nth);
    },
  };
}

export const asked = (method: string) => (one: Heard) => one.message?.method === method;

export function json({ answer }: Heard, value: unknown, headers: Record<string, string> = {}, status = 200): void {
  answer.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value));
}

export function result(heard: Heard, value: object, headers: Record<string, string> = {}): void {
  json(heard, { jsonrpc: '2.0', id: heard.message.id, result: value }, headers);
}

export function accepted({ answer }: Heard): void {
  answer.writeHead(202).end();
}

/** Sends one event, and the head before the first one. */
export function event({ answer }: Heard, value: unknown, fields: Record<string, string | number> = {}): void {
  if (!answer.headersSent) answer.writeHead(200, { 'content-type': 'text/event-stream' });
  const head = Object.entries(fields).map(([name, field]) => `${name}: ${field}\n`);
  answer.write(`${head.join('')}data: ${value === '' ? '' : JSON.stringify(value)}\n\n`);
}
