/**
 * Prints what the looks at a call's arguments and at its result cost: `node bench/validation.ts`. CPU time of the
 * process, the best of several rounds; JSON.parse of the same text stands beside it, so that ratios can be compared.
 */
import { suspicion } from '../src/contract/untrusted-text/score.ts';
import { compileInput } from '../src/gateway/input-validation/compile.ts';
import { validateStage } from '../src/gateway/input-validation/validate.ts';
import { known } from '../test/support/calls.ts';
import { shapes } from './support/arguments.ts';

/** Microseconds of CPU of one run. */
function cost(run: () => unknown): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 12; round++) {
    const start = process.cpuUsage();
    for (let times = 0; times < 1000; times++) run();
    const { user, system } = process.cpuUsage(start);
    best = Math.min(best, (user + system) / 1000);
  }
  return best;
}

const line = (name: string, bytes: number, parse: number, look: number): void =>
  console.log(
    `${name.padEnd(44)} ${String(bytes).padStart(6)} B ${parse.toFixed(1).padStart(8)} µs ${look.toFixed(1).padStart(8)} µs`,
  );

console.log('a call: bounds, schema, hidden, injection        bytes  JSON.parse     validation');
for (const [name, { properties, args }] of Object.entries(shapes)) {
  const inputSchema = { type: 'object', properties };
  const pin = { name: 'write', raw: JSON.stringify({ name: 'write', inputSchema }), digest: '' };
  const validate = validateStage({ inputs: new Map([['srv/write', compileInput(pin, {})]]) });
  const raw = JSON.stringify({ name: 'write', arguments: args });
  const call = known({ method: 'tools/call', pin }, raw);
  line(
    name,
    Buffer.byteLength(raw),
    cost(() => JSON.parse(raw)),
    cost(() => validate(call)),
  );
}

const prose = 'It\'s a "long" day: we\'ve met, we talked & wrote - see `notes.md`. ';
const result = JSON.stringify({ content: [{ type: 'text', text: prose.repeat(63) }] });
line(
  'a result: orders to the model',
  result.length,
  cost(() => JSON.parse(result)),
  cost(() => suspicion(result, 'result')),
);
