/**
 * Prints what the secret filter costs: `node bench/filter.ts [--large]`. Rates of processor time, beside a plain copy of the same
 * text and beside one RegExp of all the rules' patterns; compare the ratios. `--large`: a stream of 1 GB in 16 kB pieces, with
 * the memory that it takes.
 */
import { createFilter } from '../src/gateway/output-sanitization/filter.ts';
import { redact } from '../src/gateway/output-sanitization/redact.ts';
import { redactJson } from '../src/gateway/output-sanitization/redact-json.ts';
import { rules } from '../src/gateway/output-sanitization/rules/index.ts';

const PIECE = 16_384;

/** Sentences of an order that repeats only after a megabyte, with a telling word in some. */
function prose(units: number): string {
  const words =
    'the report of last week says that most orders were shipped from the second warehouse while a few customers asked for an invoice in another currency and the token of our thanks is kept by Anna in Rotterdam'.split(
      ' ',
    );
  let seed = 1;
  let out = '';
  while (out.length < units) {
    seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff;
    out += `${words[(seed >> 8) % words.length]}${seed % 11 === 0 ? '.\n' : ' '}`;
  }
  // Flat, as it comes from a socket.
  return Buffer.from(out).toString('utf8');
}

function rows(units: number): string {
  const all = Array.from({ length: Math.ceil(units / 58) }, (_, id) => ({
    id,
    url: `https://api.example/v1/${id}`,
    ok: true,
  }));
  return Buffer.from(JSON.stringify(all)).toString('utf8');
}

function stream(text: string): void {
  const filter = createFilter();
  for (let at = 0; at < text.length; at += PIECE) filter.push(text.slice(at, at + PIECE));
  filter.end();
}

/** What one would write first: every pattern an alternative of one RegExp. Group names and flags fall away. */
function alternation(): RegExp {
  return new RegExp(rules.map(({ pattern }) => `(?:${pattern.source.replace(/\\1/g, '[ -]')})`).join('|'), 'gi');
}

function rate(name: string, text: string, run: (text: string) => unknown, rounds = 7): number {
  let best = 0;
  for (let round = 0; round < rounds; round++) {
    const before = process.threadCpuUsage();
    let units = 0;
    let used = 0;
    // The clock of a thread ticks every few milliseconds.
    while (used < 100_000) {
      run(text);
      units += text.length;
      const { user, system } = process.threadCpuUsage(before);
      used = user + system;
    }
    best = Math.max(best, units / used);
  }
  console.log(`${name.padEnd(52)} ${best.toFixed(best < 10 ? 1 : 0).padStart(6)} MB/s`);
  return best;
}

function large(text: string): void {
  for (const gigabytes of [0.25, 0.5, 1]) {
    const filter = createFilter();
    const before = process.threadCpuUsage();
    let most = 0;
    for (let units = 0, at = 0; units < gigabytes * 1e9; units += PIECE, at = (at + PIECE) % (text.length - PIECE)) {
      filter.push(text.slice(at, at + PIECE));
      if (units % (PIECE * 1000) === 0) most = Math.max(most, process.memoryUsage().rss);
    }
    filter.end();
    const { user, system } = process.threadCpuUsage(before);
    const seconds = (user + system) / 1e6;
    console.log(
      `stream of ${gigabytes} GB: ${((gigabytes * 1000) / seconds).toFixed(0)} MB/s, at most ${(most / 2 ** 20).toFixed(0)} MiB resident`,
    );
  }
}

const every = alternation();
for (const [name, text] of [
  ['prose', prose(4e6)],
  ['JSON rows', rows(4e6)],
] as const) {
  rate(`${name}: copy (UTF-8 and back)`, text, (all) => Buffer.from(all, 'utf8').toString('utf8'));
  rate(`${name}: stream of 16 kB pieces`, text, stream);
  rate(`${name}: whole, encodings looked into`, text, redact);
  rate(`${name}: one RegExp of the rules' patterns`, text.slice(0, 200_000), (all) => all.replace(every, ''), 2);
}
const json = rows(4e6);
rate('JSON rows: JSON.parse', json, (all) => JSON.parse(all));
rate('JSON rows: every carrier of a result', json, redactJson);
if (process.argv.includes('--large')) large(prose(4e6));
