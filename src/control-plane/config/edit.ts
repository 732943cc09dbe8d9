import { isMap, isPair, isScalar, parseDocument } from 'yaml';
import { configError } from './problem.ts';

/** A server's block as it is written into the file. */
export type ServerBlock = Readonly<Record<string, unknown>>;

/**
 * The text of the configuration with a server added, or with these keys of an existing one replaced. Comments, order
 * and the operator's own formatting of everything else stay.
 * @throws ConfigError when `servers` is not a map that can be added to
 */
export function withServer(file: string, text: string, name: string, block: ServerBlock): string {
  const document = parseDocument(text);
  if (document.errors.length > 0) throw configError(file, document.errors[0]?.message ?? 'not YAML');
  // `servers:` with nothing (or only comments) behind it, and `servers: {}`, become a block map.
  const servers = document.get('servers', true);
  const empty =
    servers === undefined ||
    (isScalar(servers) && servers.value === null) ||
    (isMap(servers) && servers.items.length === 0);
  if (empty) {
    const fresh = document.createNode({ [name]: block });
    if (isScalar(servers) || isMap(servers)) {
      fresh.commentBefore = servers.commentBefore ?? null;
      fresh.comment = servers.comment ?? null;
    }
    document.set('servers', fresh);
  } else if (!isMap(servers)) throw configError(file, '`servers` is not a map');
  else if (!servers.has(name)) document.setIn(['servers', name], document.createNode(block));
  else
    for (const [key, value] of Object.entries(block))
      document.setIn(['servers', name, key], document.createNode(value));
  flowLeaves(document.getIn(['servers', name], true), Object.keys(block));
  return document.toString({ lineWidth: 120, flowCollectionPadding: false });
}

/** Lists and small maps of a block stand on one line, as in the documentation. */
function flowLeaves(block: unknown, keys: readonly string[]): void {
  if (!isMap(block)) return;
  for (const item of block.items) {
    if (
      isPair(item) &&
      isScalar(item.key) &&
      keys.includes(String(item.key.value)) &&
      typeof item.value === 'object' &&
      item.value !== null
    )
      if ('flow' in item.value) item.value.flow = true;
  }
}
