import { closest, distance } from 'fastest-levenshtein';
import { type Document, isMap, isNode, isScalar, LineCounter, type ParsedNode, parseDocument, visit } from 'yaml';
import type { z } from 'zod';
import { ConfigError, type Problem } from './problem.ts';
import { repeatedKey } from './repeated-key.ts';
import { configJsonSchema } from './schema.ts';

/** Problems that are told at once: each has to be found in the file again. */
const MAX_TOLD = 100;

type Path = readonly PropertyKey[];
export interface Finding {
  readonly path: Path;
  readonly message: string;
  readonly mend?: string;
  /** The key is wrong, not its value. */
  readonly atKey?: boolean;
}

/** A parsed YAML file that knows where everything stands in it. */
export class YamlFile {
  readonly file: string;
  readonly document: Document.Parsed<ParsedNode>;
  readonly #lines: LineCounter;

  /** @throws ConfigError for what is not one YAML 1.2 document, duplicate keys and unknown tags */
  constructor(file: string, text: string) {
    this.file = file;
    this.#lines = new LineCounter();
    this.document = parseDocument(text, { lineCounter: this.#lines, prettyErrors: false, uniqueKeys: false });
    const faults = [...this.document.errors, ...this.document.warnings].slice(0, MAX_TOLD);
    if (faults.length > 0)
      throw new ConfigError(
        faults.map(({ code, message, pos }) =>
          this.#problem(pos[0], '', message, code === 'TAB_AS_INDENT' ? 'indent with spaces' : undefined),
        ),
      );
    const repeated = repeatedKey(this.document);
    if (repeated !== undefined)
      throw new ConfigError([this.#problem(repeated.range[0], '', 'Map keys must be unique')]);
    visit(this.document, {
      Pair: (_, { key }) => {
        if (isScalar(key) && String(key.value) !== '__proto__') return;
        const offset = isNode(key) ? (key.range?.[0] ?? 0) : 0;
        throw new ConfigError([this.#problem(offset, '', 'a key is a plain word')]);
      },
    });
  }

  /** @throws ConfigError when aliases multiply (a few bytes would become gigabytes) */
  value(): unknown {
    try {
      return this.document.toJS({ maxAliasCount: 50 }) ?? {};
    } catch (error) {
      throw new ConfigError([
        this.#problem(0, '', `aliases: ${error instanceof Error ? error.message : error}`, 'write the value out'),
      ]);
    }
  }

  error(findings: readonly Finding[]): ConfigError {
    return new ConfigError(
      findings
        .slice(0, MAX_TOLD)
        .map((found) => this.#problem(this.#offset(found), keyPath(found.path), found.message, found.mend)),
    );
  }

  #problem(offset: number, key: string, message: string, mend?: string): Problem {
    const { line, col } = this.#lines.linePos(offset);
    return {
      file: this.file,
      line: Math.max(line, 1),
      column: Math.max(col, 1),
      key,
      message,
      ...(mend === undefined ? {} : { mend }),
    };
  }

  /** Where the value stands; for a key that is missing, its nearest parent. */
  #offset({ path, atKey }: Finding): number {
    let node: unknown = this.document.contents;
    let offset = 0;
    for (const [index, step] of path.entries()) {
      const pair = isMap(node)
        ? node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step))
        : undefined;
      if (atKey === true && index === path.length - 1 && pair !== undefined && isNode(pair.key))
        return pair.key.range?.[0] ?? offset;
      node = pair === undefined ? (isNode(node) && 'get' in node ? node.get(step, true) : undefined) : pair.value;
      if (!isNode(node)) break;
      offset = node.range?.[0] ?? offset;
    }
    return offset;
  }
}

/** What zod found, in the words of the file. */
export function findings(error: z.ZodError): readonly Finding[] {
  return error.issues.flatMap((issue): Finding[] => {
    if (issue.code === 'unrecognized_keys') {
      const known = knownKeys(issue.path);
      return issue.keys.slice(0, MAX_TOLD).map((key) => ({
        path: [...issue.path, key],
        message: 'unknown key',
        atKey: true,
        ...nearest(key, known),
      }));
    }
    if (issue.code === 'invalid_key') {
      return [
        { path: issue.path, message: issue.issues[0]?.message ?? 'not a name that is accepted here', atKey: true },
      ];
    }
    const message = issue.message
      .replace(/^Invalid input: /, '')
      .replace(/^expected (.+), received undefined$/, 'is missing (expected $1)');
    return [{ path: issue.path, message }];
  });
}

function nearest(key: string, known: readonly string[]): { readonly mend?: string } {
  if (known.length === 0) return {};
  const best = closest(key, [...known]);
  const near = distance(key.toLowerCase(), best) <= Math.max(2, Math.floor(best.length / 3));
  return { mend: near ? `did you mean "${best}"?` : `known here: ${known.join(', ')}` };
}

function knownKeys(path: Path): readonly string[] {
  let schema: z.core.JSONSchema.BaseSchema | undefined = configJsonSchema();
  for (const step of path) {
    const next: unknown =
      typeof step === 'number' ? schema?.items : (schema?.properties?.[String(step)] ?? schema?.additionalProperties);
    schema = typeof next === 'object' && next !== null ? (next as z.core.JSONSchema.BaseSchema) : undefined;
  }
  return Object.keys(schema?.properties ?? {});
}

function keyPath(path: Path): string {
  return path.reduce<string>(
    (text, step) =>
      typeof step === 'number' ? `${text}[${step}]` : text === '' ? String(step) : `${text}.${String(step)}`,
    '',
  );
}
