import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { options, UsageError } from './options.ts';

/** Of one kind of records: says yes or no to a value, or what it leaves of a text. */
export type Detector =
  | { readonly flags: (value: unknown) => boolean | Promise<boolean> }
  | { readonly filters: (text: string) => string };

interface Io {
  readonly json: boolean;
  stdout(text: string): void;
}

interface LabelledRecord {
  readonly set: string;
  readonly kind: string;
  readonly label: string;
  readonly class: string;
  readonly value: unknown;
  /** Of secrets: what must be gone. */
  readonly literal?: readonly string[];
}

const POSITIVE = new Set(['malicious', 'secret', 'pan', 'block', 'invalid']);
const NEGATIVE = new Set(['benign', 'clean', 'allow', 'valid']);
/** Bytes of one file, unpacked. */
const MAX_FILE = 512 * 1024 * 1024;

interface Count {
  records: number;
  flagged: number;
}

interface Row {
  readonly file: string;
  readonly kind: string;
  readonly records: number;
  /** `none`: nothing here detects this kind; then nothing was flagged, and there are no rates. */
  readonly detector: 'present' | 'none';
  /** Of the positive, and of the negative records, those that were flagged; null where there are none. */
  readonly recall: number | null;
  readonly false_positive_rate: number | null;
  readonly by_class: Readonly<Record<string, Count>>;
  readonly by_set: Readonly<Record<string, Count & Pick<Row, 'recall' | 'false_positive_rate'>>>;
}

/**
 * Runs the detectors over files of labelled records, and says how much each finds and how much it wrongly stops.
 * @throws UsageError naming file and line of what is no record
 */
export async function score(
  argv: readonly string[],
  detectors: Readonly<Record<string, Detector>>,
  io: Io,
): Promise<number> {
  const { positionals: files } = options(argv, {}, Number.POSITIVE_INFINITY);
  if (files.length === 0) throw new UsageError('score FILE…: .jsonl or .jsonl.gz');
  const rows: Row[] = [];
  for (const file of files) {
    const records = recordsOf(file);
    for (const kind of new Set(records.map((record) => record.kind))) {
      const detector = Object.hasOwn(detectors, kind) ? detectors[kind] : undefined;
      const own = records.filter((record) => record.kind === kind);
      rows.push(await rowOf(file, kind, own, detector));
    }
  }
  io.stdout(io.json ? `${JSON.stringify({ files: rows })}\n` : rows.map(lines).join(''));
  return 0;
}

function recordsOf(file: string): LabelledRecord[] {
  const raw = readFileSync(file);
  const text = file.endsWith('.gz') ? unpacked(file, raw) : raw.toString('utf8');
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return [];
    const record = parsed(line);
    if (record === undefined) throw new UsageError(`${file}:${index + 1}: not a record with kind, label and value`);
    return [record];
  });
}

function unpacked(file: string, raw: Uint8Array): string {
  try {
    return gunzipSync(raw, { maxOutputLength: MAX_FILE }).toString('utf8');
  } catch (error) {
    throw new UsageError(`${file}: ${error instanceof Error ? error.message : error}`);
  }
}

function parsed(line: string): LabelledRecord | undefined {
  try {
    const record = JSON.parse(line) as Partial<LabelledRecord>;
    const { set = '', kind, label, class: name = '', value, literal } = record;
    if (typeof kind !== 'string' || typeof label !== 'string' || value === undefined) return undefined;
    return { set, kind, label, class: name, value, ...(literal && { literal }) };
  } catch {
    return undefined;
  }
}

async function rowOf(
  file: string,
  kind: string,
  records: readonly LabelledRecord[],
  detector: Detector | undefined,
): Promise<Row> {
  const judged = await Promise.all(
    records.map(async (record) => ({ record, flagged: detector !== undefined && (await isFlagged(detector, record)) })),
  );
  const by = (key: 'class' | 'set') => Map.groupBy(judged, ({ record }) => record[key]);
  return {
    file,
    kind,
    records: records.length,
    detector: detector === undefined ? 'none' : 'present',
    ...rates(judged, detector !== undefined),
    by_class: Object.fromEntries([...by('class')].map(([name, own]) => [name, count(own)])),
    by_set: Object.fromEntries(
      [...by('set')].map(([name, own]) => [name, { ...count(own), ...rates(own, detector !== undefined) }]),
    ),
  };
}

async function isFlagged(detector: Detector, { value, literal }: LabelledRecord): Promise<boolean> {
  if ('flags' in detector) return detector.flags(value);
  const text = String(value);
  const left = detector.filters(text);
  return literal === undefined ? left !== text : literal.every((secret) => !left.includes(secret));
}

interface Judged {
  readonly record: LabelledRecord;
  readonly flagged: boolean;
}

function count(judged: readonly Judged[]): Count {
  return { records: judged.length, flagged: judged.filter(({ flagged }) => flagged).length };
}

/** A label that is in neither list counts in neither rate. */
function rates(judged: readonly Judged[], detected: boolean): Pick<Row, 'recall' | 'false_positive_rate'> {
  const rate = (labels: ReadonlySet<string>): number | null => {
    const { records, flagged } = count(judged.filter(({ record }) => labels.has(record.label)));
    return records === 0 || !detected ? null : flagged / records;
  };
  return { recall: rate(POSITIVE), false_positive_rate: rate(NEGATIVE) };
}

function lines({ file, kind, records, detector, recall, false_positive_rate, by_class }: Row): string {
  const head = `${file}: ${records} of kind ${kind}`;
  if (detector === 'none') return `${head}: no detector\n`;
  const classes = Object.entries(by_class).map(
    ([name, { records: all, flagged }]) => `  ${name || '(none)'}: ${flagged} of ${all} flagged\n`,
  );
  return `${head}: recall ${percent(recall)}, false positives ${percent(false_positive_rate)}\n${classes.join('')}`;
}

function percent(rate: number | null): string {
  return rate === null ? '-' : `${(100 * rate).toFixed(2)} %`;
}
