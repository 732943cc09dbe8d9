// What somebody in a zone can do to a host: opens every TCP port of it, and says what became of it.
import { connect } from 'node:net';

const [host, first = '1', last = '65535'] = process.argv.slice(2);
const found = { open: [], refused: 0, other: {} };
const attempt = (port) =>
  new Promise((resolve) => {
    const socket = connect({ host, port });
    socket.setTimeout(2000, () => socket.destroy(Object.assign(new Error(), { code: 'SILENT' })));
    socket.on('connect', () => {
      found.open.push(port);
      socket.destroy();
    });
    socket.on('error', ({ code }) => {
      if (code === 'ECONNREFUSED') found.refused++;
      else found.other[code] = (found.other[code] ?? 0) + 1;
    });
    socket.on('close', resolve);
  });
let next = Number(first);
const worker = async () => {
  while (next <= Number(last)) await attempt(next++);
};
await Promise.all(Array.from({ length: 200 }, worker));
console.log(JSON.stringify(found));
