import { isDeepStrictEqual } from 'node:util';
import { type Document, isMap, isScalar, type Pair, parseDocument, stringify, type YAMLMap } from 'yaml';
import { configError } from './problem.ts';

/** A server's block as it is written into the file. */
export type ServerBlock = Readonly<Record<string, unknown>>;

/**
 * The text of the configuration with a server added, or with these keys of an existing one replaced. Everything else
 * stays as the operator wrote it, comments and spacing included.
 * @throws ConfigError when `servers` is not a map that can be added to
 */
export function withServer(file: string, text: string, name: string, block: ServerBlock): string {
  const document = parseDocument(text);
  const fault = document.errors[0];
  if (fault !== undefined) throw configError(file, fault.message);
  const whole = edited(file, parseDocument(text), name, block);
  const spliced = splice(text, document, name, block);
  // Cutting and pasting is only as good as our reading of the text: it has to mean what the parser's own edit means.
  return spliced !== undefined && isDeepStrictEqual(meaning(spliced), meaning(whole)) ? spliced : whole;
}

function edited(file: string, document: Document, name: string, block: ServerBlock): string {
  const servers = document.get('servers', true);
  if (servers !== undefined && !isMap(servers) && !(isScalar(servers) && servers.value === null))
    throw configError(file, '`servers` is not a map');
  if (!isMap(servers)) document.set('servers', document.createNode({ [name]: block }));
  else if (!isMap(servers.get(name))) servers.set(name, document.createNode(block));
  else
    for (const [key, value] of Object.entries(block))
      document.setIn(['servers', name, key], document.createNode(value));
  return document.toString({ lineWidth: 0 });
}

function splice(text: string, document: Document, name: string, block: ServerBlock): string | undefined {
  if (document.contents === null) return `${ended(text)}servers:\n${serverLines(name, block, '  ')}`;
  if (!isMap(document.contents) || document.contents.flow === true) return undefined;
  const entry = pair(document.contents, 'servers');
  if (entry === undefined) return `${ended(text)}\nservers:\n${serverLines(name, block, '  ')}`;
  const servers = entry.value;
  if (isMap(servers) && servers.items.length > 0) {
    if (servers.flow === true) return undefined;
    const own = pair(servers, name);
    if (own === undefined) return after(text, lastOf(servers), serverLines(name, block, indentOf(text, servers)));
    return isMap(own.value) && own.value.flow !== true && own.value.items.length > 0
      ? replaced(text, own.value, block)
      : undefined;
  }
  // `servers:` or `servers: {}`, either with a comment behind it.
  const [start, end] = rangeOf(servers) ?? rangeOf(entry.key) ?? [0, 0];
  const cut = isMap(servers) ? `${text.slice(0, start).trimEnd()}${text.slice(end)}` : text;
  return after(cut, rangeOf(entry.key)?.[1] ?? 0, serverLines(name, block, '  '));
}

function replaced(text: string, server: YAMLMap, block: ServerBlock): string {
  let result = text;
  const first = rangeOf(server)?.[0] ?? 0;
  const indent = indentOf(text, server);
  const known = Object.entries(block).map(([key, value]) => ({ key, value, range: rangeOf(pair(server, key)?.value) }));
  // From the end to the beginning, so that offsets stay true.
  for (const { value, range } of known
    .filter(({ range }) => range !== undefined)
    .sort((a, b) => (b.range?.[0] ?? 0) - (a.range?.[0] ?? 0))) {
    const [start, end] = range ?? [0, 0];
    const old = result.slice(start, end);
    result = `${result.slice(0, start)}${flow(value)}${old.slice(old.trimEnd().length)}${result.slice(end)}`;
  }
  const lines = known
    .filter(({ range }) => range === undefined)
    .map(({ key, value }) => `${key}: ${flow(value)}\n${indent}`);
  return `${result.slice(0, first)}${lines.join('')}${result.slice(first)}`;
}

function serverLines(name: string, block: ServerBlock, indent: string): string {
  const lines = Object.entries(block).map(([key, value]) => `${indent}  ${key}: ${flow(value)}\n`);
  return `${indent}${name}:\n${lines.join('')}`;
}

/** Lists and small maps stand on one line, as in the documentation. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => flow(item)).join(', ')}]`;
  if (typeof value === 'object' && value !== null)
    return stringify(value, { collectionStyle: 'flow', lineWidth: 0 }).trim();
  // Quoted as it has to be inside of brackets.
  return stringify([value], { collectionStyle: 'flow', lineWidth: 0, flowCollectionPadding: false })
    .trim()
    .slice(1, -1);
}

function pair(map: YAMLMap, key: string): Pair | undefined {
  return map.items.find((item) => isScalar(item.key) && item.key.value === key);
}

function rangeOf(node: unknown): readonly number[] | undefined {
  if (typeof node !== 'object' || node === null || !('range' in node) || !Array.isArray(node.range)) return undefined;
  return node.range;
}

function lastOf(map: YAMLMap): number {
  const last = map.items.at(-1);
  const value = last?.value;
  return isMap(value) && value.flow !== true && value.items.length > 0
    ? lastOf(value)
    : (rangeOf(value)?.[1] ?? rangeOf(last?.key)?.[1] ?? 0);
}

function indentOf(text: string, map: YAMLMap): string {
  const start = rangeOf(map.items[0]?.key)?.[0] ?? 0;
  return ' '.repeat(start - (text.lastIndexOf('\n', start - 1) + 1));
}

/** With `lines` behind the line that `offset` is in. */
function after(text: string, offset: number, lines: string): string {
  const filled = text.slice(0, offset).trimEnd().length;
  const end = text.indexOf('\n', filled);
  return end < 0 ? `${text}\n${lines}` : `${text.slice(0, end + 1)}${lines}${text.slice(end + 1)}`;
}

function ended(text: string): string {
  return text === '' || text.endsWith('\n') ? text : `${text}\n`;
}

function meaning(text: string): unknown {
  const document = parseDocument(text);
  return document.errors.length > 0 ? undefined : document.toJS();
}
