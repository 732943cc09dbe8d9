/**
 * Prints what the looks at a call's arguments and at its result cost: `node bench/validation.ts`. Times of one thread,
 * the best of several rounds; JSON.parse of the same text stands beside them, so that ratios can be compared.
 */
import { suspicion } from '../src/contract/untrusted-text/score.ts';
import { compileInput } from '../src/gateway/input-validation/compile.ts';
import { validateStage } from '../src/gateway/input-validation/validate.ts';
import { known } from '../test/support/calls.ts';

const text = { type: 'string' };
const rows = { type: 'array', items: { type: 'object', properties: { key: text, value: text } } };
const inputSchema = { type: 'object', properties: { title: text, body: text, rows }, required: ['title'] };
const pin = { name: 'write', raw: JSON.stringify({ name: 'write', inputSchema }), digest: '' };
const validate = validateStage({ inputs: new Map([['srv/write', compileInput(pin, {})]]) });
const args = {
  title: 'Minutes of Friday; draft (2)',
  body: 'It\'s a "long" day: we\'ve met, we talked & wrote - see `notes.md`. '.repeat(9),
  rows: Array.from({ length: 8 }, (_, id) => ({ key: `k${id}`, value: `row number ${id}` })),
};
const raw = JSON.stringify({ name: 'write', arguments: args });
const call = known({ method: 'tools/call', pin }, raw);

/** Microseconds of one run. */
function cost(run: () => unknown): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 12; round++) {
    const start = performance.now();
    for (let times = 0; times < 500; times++) run();
    best = Math.min(best, (performance.now() - start) * 2);
  }
  return best;
}

const print = (name: string, micros: number): void =>
  console.log(`${name.padEnd(52)} ${micros.toFixed(1).padStart(8)} µs`);
print(
  `a call of ${raw.length} bytes: JSON.parse`,
  cost(() => JSON.parse(raw)),
);
print(
  `a call of ${raw.length} bytes: bounds, schema, hidden, injection`,
  cost(() => validate(call)),
);
const result = JSON.stringify({ content: [{ type: 'text', text: args.body.repeat(7) }] });
print(
  `a result of ${result.length} bytes: JSON.parse`,
  cost(() => JSON.parse(result)),
);
print(
  `a result of ${result.length} bytes: orders to the model`,
  cost(() => suspicion(result, 'result')),
);
