import { isModern, type Message, VERSION_KEY } from './message.ts';
import type { Headers } from './wire.ts';

/** The member of params that `Mcp-Name` repeats (MCP 2026-07-28, Standard Request Headers). */
const NAMED: Readonly<Record<string, 'name' | 'uri' | 'taskId'>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
};
/** Tools whose marks are remembered. */
const MAX_TOOLS = 10_000;

interface Mark {
  readonly header: string;
  readonly path: readonly string[];
}

/** The headers of a request of 2026-07-28, which repeat what its body says; a client over stdio sends none. */
export class Mirrors {
  readonly #marks = new Map<string, readonly Mark[]>();

  of(message: Message): Headers {
    const { method = '', params } = message;
    const headers: Record<string, string> = { 'mcp-protocol-version': String(params?._meta?.[VERSION_KEY]) };
    if (!isModern(message)) return {};
    headers['mcp-method'] = method;
    const member = Object.hasOwn(NAMED, method) ? NAMED[method] : undefined;
    const name = member && params?.[member];
    if (typeof name === 'string') headers['mcp-name'] = encode(name);
    if (method !== 'tools/call' || typeof name !== 'string') return headers;
    for (const { header, path } of this.#marks.get(name) ?? []) {
      const value = at(params?.arguments, path);
      if (value !== undefined) headers[`mcp-param-${header}`] = encode(value);
    }
    return headers;
  }

  /** Takes note of what the tools of a `tools/list` want mirrored in `Mcp-Param-*` (Custom Headers). */
  learn(tools: unknown): void {
    if (!Array.isArray(tools)) return;
    for (const tool of tools) {
      const { name, inputSchema } = Object(tool) as { readonly name?: unknown; readonly inputSchema?: unknown };
      if (typeof name !== 'string') continue;
      const marks = marksOf(inputSchema);
      if (marks.length === 0) this.#marks.delete(name);
      else if (this.#marks.size < MAX_TOOLS) this.#marks.set(name, marks);
    }
  }
}

/** The `x-mcp-header` marks that `properties` alone lead to. */
function marksOf(schema: unknown, path: readonly string[] = []): readonly Mark[] {
  const { properties } = Object(schema) as { readonly properties?: unknown };
  return Object.entries(Object(properties) as Readonly<Record<string, unknown>>).flatMap(([key, child]) => {
    const own = [...path, key];
    const mark = (Object(child) as Readonly<Record<string, unknown>>)['x-mcp-header'];
    const usable = typeof mark === 'string' && /^[\w!#$%&'*+.^`|~-]+$/.test(mark);
    return [...(usable ? [{ header: mark.toLowerCase(), path: own }] : []), ...marksOf(child, own)];
  });
}

/** The value as a header writes it; undefined where it has no such form, and none is sent. */
function at(root: unknown, path: readonly string[]): string | undefined {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined;
    value = (value as Readonly<Record<string, unknown>>)[key];
  }
  if (typeof value === 'string' || typeof value === 'boolean') return String(value);
  return typeof value === 'number' && Number.isFinite(value) ? String(value) : undefined;
}

/** What a header cannot carry as it is goes as `=?base64?…?=` (Value Encoding). */
function encode(text: string): string {
  const plain = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/.test(text) && !text.startsWith('=?base64?');
  return plain ? text : `=?base64?${Buffer.from(text).toString('base64')}?=`;
}
