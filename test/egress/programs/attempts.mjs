// Runs inside a sandbox: makes every attempt of attempts.json and says what came back, one JSON array.
import { createSocket } from 'node:dgram';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';

const PATIENCE = 4000;
const attempts = JSON.parse(readFileSync('/srv/attempts.json', 'utf8'));

function overStream({ to, pieces }) {
  return new Promise((resolve) => {
    const socket = connect(to);
    let got = '';
    const timer = setTimeout(() => socket.destroy(), PATIENCE);
    const end = (what) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(got + what);
    };
    const left = pieces.map((piece) => Buffer.from(piece, 'base64'));
    const next = () => left.length > 0 && socket.write(left.shift());
    socket.on('connect', next);
    // The next piece follows an answer, as it does in SOCKS, or behind CONNECT.
    socket.on('data', (chunk) => {
      got += chunk.toString('latin1');
      next();
    });
    socket.on('end', () => end(''));
    socket.on('error', (error) => end(error.code));
    socket.on('close', () => end(''));
  });
}

function overDatagram({ to, pieces }) {
  return new Promise((resolve) => {
    const socket = createSocket(to.host.includes(':') ? 'udp6' : 'udp4');
    const end = (what) => {
      socket.close();
      resolve(what);
    };
    const timer = setTimeout(() => end('silence'), 500);
    const stop = (what) => {
      clearTimeout(timer);
      end(what);
    };
    socket.on('message', (message) => stop(message.toString('latin1')));
    socket.on('error', (error) => stop(error.code));
    socket.send(Buffer.from(pieces[0], 'base64'), to.port, to.host, (error) => error && stop(error.code));
  });
}

const results = [];
let at = 0;
async function worker() {
  while (at < attempts.length) {
    const index = at++;
    results[index] = await (attempts[index].datagram ? overDatagram(attempts[index]) : overStream(attempts[index]));
  }
}
await Promise.all(Array.from({ length: 8 }, worker));
process.stdout.write(JSON.stringify(results));
