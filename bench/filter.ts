/**
 * Prints what the secret filter costs and finds: `node bench/filter.ts`. Rates of one thread, beside a plain copy of
 * the same text; compare the ratios. Recall and false positives need ../shared/corpora and are left out without it.
 */
import { existsSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { createFilter } from '../src/gateway/output-sanitization/filter.ts';
import { inspect, redact } from '../src/gateway/output-sanitization/redact.ts';
import { redactJson } from '../src/gateway/output-sanitization/redact-json.ts';

const corpora = new URL('../../shared/corpora/', import.meta.url);

interface Sample {
  readonly label: string;
  readonly value: unknown;
  readonly literal?: readonly string[];
}

function rate(name: string, text: string, run: (text: string) => unknown): void {
  let best = 0;
  for (let round = 0; round < 7; round++) {
    const start = performance.now();
    run(text);
    best = Math.max(best, text.length / 1000 / (performance.now() - start));
  }
  console.log(`${name.padEnd(44)} ${best.toFixed(0).padStart(6)} MB/s`);
}

function stream(text: string): void {
  const filter = createFilter();
  for (let at = 0; at < text.length; at += 16_384) filter.push(text.slice(at, at + 16_384));
  filter.end();
}

const prose = 'The quick brown fox jumps over the lazy dog, and the token of thanks is kept.\n'.repeat(20_000);
const rows = JSON.stringify(
  Array.from({ length: 10_000 }, (_, id) => ({ id, url: `https://api.example/v1/${id}`, ok: true })),
);
for (const [name, text] of [
  ['prose', prose],
  ['JSON rows', rows],
] as const) {
  rate(`${name}: copy (UTF-8 and back)`, text, (all) => Buffer.from(all, 'utf8').toString('utf8'));
  rate(`${name}: redact`, text, redact);
  rate(`${name}: stream of 16 kB chunks`, text, stream);
}
rate('JSON rows: JSON.parse', rows, (all) => JSON.parse(all));
rate('JSON rows: redactJson', rows, redactJson);

for (const file of ['secrets', 'pan', 'results', 'descriptors', 'unicode']) {
  const path = new URL(`${file}.jsonl.gz`, corpora);
  if (existsSync(path)) measure(file, path);
  else console.log(`${file}: ${path.pathname} is absent`);
}

function measure(file: string, path: URL): void {
  const count = { positive: 0, found: 0, negative: 0, stopped: 0 };
  for (const line of gunzipSync(readFileSync(path)).toString('utf8').trim().split('\n')) {
    const { label, value, literal }: Sample = JSON.parse(line);
    const text = typeof value === 'string' ? value : JSON.stringify(value);
    const output = inspect(text).text;
    if (label === 'secret' || label === 'pan') {
      count.positive++;
      const gone = literal === undefined ? output !== text : !literal.some((secret) => output.includes(secret));
      if (gone) count.found++;
    } else {
      count.negative++;
      if (output !== text) count.stopped++;
    }
  }
  const share = (part: number, whole: number) => (whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)} %`);
  console.log(
    `${file.padEnd(12)} recall ${share(count.found, count.positive)} of ${count.positive}, changed without need ${share(count.stopped, count.negative)} of ${count.negative}`,
  );
}
