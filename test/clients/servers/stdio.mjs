// argv: legacy | modern
import { createInterface } from 'node:readline';
import { legacySession } from './legacy.mjs';
import { receive } from './modern.mjs';

const take = process.argv[2] === 'modern' ? receive : legacySession();
const send = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);
createInterface({ input: process.stdin }).on('line', (line) => take(JSON.parse(line), send));
