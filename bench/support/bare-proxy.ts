// What any Node TLS proxy costs: the edge's own TLS settings, one undici Pool, bytes piped both ways, nothing looked at.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { Pool } from 'undici';

const [origin = '', key = '', cert = ''] = process.argv.slice(2);
const pool = new Pool(origin, { connections: 64 });
const server = createServer(
  {
    key: readFileSync(key),
    cert: readFileSync(cert),
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: 'TLS_AES_256_GCM_SHA384',
    ecdhCurve: 'X25519MLKEM768:X25519',
  },
  (request, response) => {
    const headers = { 'content-type': 'application/json', accept: String(request.headers.accept) };
    pool.dispatch(
      { path: String(request.url), method: 'POST', headers, body: request },
      {
        onRequestStart() {},
        onResponseStart(_controller, status, headers) {
          response.writeHead(status, { 'content-type': String(headers['content-type']) });
        },
        onResponseData(_controller, chunk) {
          response.write(chunk);
        },
        onResponseEnd() {
          response.end();
        },
        onResponseError() {
          response.destroy();
        },
      },
    );
  },
);
server.keepAliveTimeout = 600_000;
server.listen(0, '127.0.0.1', () => process.send?.(server.address()));
process.on('disconnect', () => process.exit());
