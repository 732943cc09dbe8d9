// Prints, as JSON, the start-up snapshot of a server in two parts, in base64 (`blob`), or why there is none (`plain`).
//   node take.mjs PARTS ENTRY ARG…
import { readFileSync } from 'node:fs';
import { take } from './snapshot.mjs';

const [, , parts, ...command] = process.argv;
const { blob, against, plain } = take(readFileSync(parts, 'utf8'), command);
console.log(JSON.stringify(blob ? { blob: blob.toString('base64') } : { plain: plain ?? JSON.stringify(against) }));
