import { Refusal } from '../../contract/refusal.ts';
import type { Frame } from '../../contract/tool-call.ts';

/**
 * How a method is answered: `lifecycle` by the gateway as the server that the client sees, `pins` from the reviewed
 * descriptors, `executed` by the whole pipeline and a server. What has no row is refused.
 */
export type AnsweredBy = 'lifecycle' | 'pins' | 'executed';

interface Row {
  readonly by: AnsweredBy;
  /** Revisions up to 2025-11-25. */
  readonly legacy: boolean;
  /** 2026-07-28. */
  readonly modern: boolean;
  /** The member of params that the `Mcp-Name` header mirrors (MCP 2026-07-28, Standard Request Headers). */
  readonly mirrored?: 'name' | 'uri';
}

const methods: ReadonlyMap<string, Row> = new Map<string, Row>([
  ['initialize', { by: 'lifecycle', legacy: true, modern: false }],
  ['ping', { by: 'lifecycle', legacy: true, modern: false }],
  ['server/discover', { by: 'lifecycle', legacy: false, modern: true }],
  ['tools/list', { by: 'pins', legacy: true, modern: true }],
  ['prompts/list', { by: 'pins', legacy: true, modern: true }],
  ['resources/templates/list', { by: 'pins', legacy: true, modern: true }],
  ['tools/call', { by: 'executed', legacy: true, modern: true, mirrored: 'name' }],
  ['prompts/get', { by: 'executed', legacy: true, modern: true, mirrored: 'name' }],
  ['resources/list', { by: 'executed', legacy: true, modern: true }],
  ['resources/read', { by: 'executed', legacy: true, modern: true, mirrored: 'uri' }],
  ['completion/complete', { by: 'executed', legacy: true, modern: true }],
]);

/** @throws Refusal unknown-method, for what the frame's revision does not have */
export function answeredBy(frame: Frame): AnsweredBy {
  const row = methods.get(frame.method);
  if (row === undefined || !(frame.modern ? row.modern : row.legacy)) throw new Refusal('unknown-method', frame.method);
  return row.by;
}

/** The member of params that `Mcp-Name` must repeat. */
export function mirroredMember(method: string): 'name' | 'uri' | undefined {
  return methods.get(method)?.mirrored;
}
