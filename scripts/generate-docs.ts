import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { configJsonSchema } from '../src/control-plane/config/schema.ts';

/** Writes what is generated from the configuration's schema; `--check` only says whether it is up to date (exit 1). */
interface Node {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly maxItems?: number;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly additionalProperties?: Node | boolean;
  readonly items?: Node;
  readonly anyOf?: readonly Node[];
  readonly required?: readonly string[];
}

const home = join(import.meta.dirname, '..');
const schema = configJsonSchema();
const generated = {
  'docs/configuration.md': `# Configuration

One YAML file, \`innerkeep.yaml\`. This page is generated from its schema (\`scripts/generate-docs.ts\`); editors take the
same as JSON Schema from \`docs/innerkeep.schema.json\`, for example by a first line
\`# yaml-language-server: $schema=PATH/docs/innerkeep.schema.json\`.

Unknown keys, duplicate keys and values without their unit are errors: exit 2, naming file, line, key and the mend.
Relative paths start from the file. Sizes are whole numbers with \`B\`, \`KiB\`, \`MiB\` or \`GiB\`; durations with \`ms\`, \`s\`,
\`m\` or \`h\`.

| key | value | default | |
|---|---|---|---|
${rows(schema as Node, '').join('\n')}
`,
  'docs/innerkeep.schema.json': `${JSON.stringify({ title: 'innerkeep.yaml', ...schema }, null, 2)}\n`,
};

let stale = 0;
for (const [path, text] of Object.entries(generated)) {
  const file = join(home, path);
  if (!process.argv.includes('--check')) writeFileSync(file, text);
  else if (readFileSync(file, 'utf8') !== text) {
    process.stderr.write(`${path} is not what the schema says: run node scripts/generate-docs.ts\n`);
    stale++;
  }
}
process.exitCode = stale === 0 ? 0 : 1;

function rows(node: Node, path: string): string[] {
  const own =
    path === '' ? [] : [`| \`${path}\` | ${kind(node)} | ${preset(node)} | ${cell(node.description ?? '')} |`];
  const below = Object.entries(node.properties ?? {}).flatMap(([key, member]) =>
    rows(member, path === '' ? key : `${path}.${key}`),
  );
  const map =
    typeof node.additionalProperties === 'object' ? rows(node.additionalProperties, `${path}.NAME`).slice(1) : [];
  const item = [node.items, ...(node.items?.anyOf ?? [])].find((shape) => shape?.properties !== undefined);
  const list = item === undefined ? [] : rows(item, `${path}[]`).slice(1);
  return [...own, ...below, ...map, ...list];
}

function kind(node: Node): string {
  if (node.enum !== undefined) return node.enum.map((value) => `\`${value}\``).join(' or ');
  if (node.const !== undefined) return `\`${node.const}\``;
  if (node.maxItems === 0) return '`[]`';
  if (node.type === 'array') return 'list';
  return node.type === 'object' ? 'map' : (node.type ?? '');
}

function preset(node: Node): string {
  const value = node.default;
  if (value === undefined || (node.type === 'object' && node.properties !== undefined)) return '';
  return `\`${typeof value === 'string' ? value : JSON.stringify(value)}\``;
}

function cell(text: string): string {
  return text.replaceAll('|', '\\|');
}
