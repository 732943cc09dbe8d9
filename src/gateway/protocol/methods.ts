import { Refusal } from '../../contract/refusal.ts';
import type { Frame, Revision } from '../../contract/tool-call.ts';

/**
 * How a method is answered: `lifecycle` by the gateway as the server that the client sees, `pins` from the reviewed
 * descriptors, `session` by what is kept of the client, `subscriptions` by the whole pipeline up to the admission and
 * then the subscriptions, `listen` by a stream of them, `tasks` by the calls that go on behind their answers, `executed`
 * by the whole pipeline and a server. What has no row is refused.
 */
export type AnsweredBy = 'lifecycle' | 'pins' | 'session' | 'subscriptions' | 'listen' | 'tasks' | 'executed';

interface Row {
  readonly by: AnsweredBy;
  /** `legacy`: revisions up to 2025-11-25; `modern`: 2026-07-28; or the only one. */
  readonly era: 'legacy' | 'modern' | 'both' | Revision | readonly Revision[];
  /** The member of params that the `Mcp-Name` header mirrors (MCP 2026-07-28, Standard Request Headers). */
  readonly mirrored?: Mirrored;
}

type Mirrored = 'name' | 'uri' | 'taskId';

/** Tasks came with the one, and are an extension of the other. */
const WITH_TASKS: readonly Revision[] = ['2025-11-25', '2026-07-28'];

const methods: ReadonlyMap<string, Row> = new Map<string, Row>([
  ['initialize', { by: 'lifecycle', era: 'legacy' }],
  ['ping', { by: 'lifecycle', era: 'legacy' }],
  ['server/discover', { by: 'lifecycle', era: 'modern' }],
  ['logging/setLevel', { by: 'session', era: 'legacy' }],
  ['resources/subscribe', { by: 'subscriptions', era: 'legacy' }],
  ['resources/unsubscribe', { by: 'subscriptions', era: 'legacy' }],
  ['subscriptions/listen', { by: 'listen', era: 'modern' }],
  ['tasks/get', { by: 'tasks', era: WITH_TASKS, mirrored: 'taskId' }],
  ['tasks/update', { by: 'tasks', era: 'modern', mirrored: 'taskId' }],
  ['tasks/result', { by: 'tasks', era: '2025-11-25' }],
  ['tasks/list', { by: 'tasks', era: '2025-11-25' }],
  ['tasks/cancel', { by: 'tasks', era: WITH_TASKS, mirrored: 'taskId' }],
  ['tools/list', { by: 'pins', era: 'both' }],
  ['prompts/list', { by: 'pins', era: 'both' }],
  ['resources/templates/list', { by: 'pins', era: 'both' }],
  ['tools/call', { by: 'executed', era: 'both', mirrored: 'name' }],
  ['prompts/get', { by: 'executed', era: 'both', mirrored: 'name' }],
  ['resources/list', { by: 'executed', era: 'both' }],
  ['resources/read', { by: 'executed', era: 'both', mirrored: 'uri' }],
  ['completion/complete', { by: 'executed', era: 'both' }],
]);

/** @throws Refusal unknown-method, for what the frame's revision does not have */
export function answeredBy(frame: Frame): AnsweredBy {
  const row = methods.get(frame.method);
  if (row === undefined || !isOf(row, frame)) throw new Refusal('unknown-method', frame.method);
  return row.by;
}

function isOf({ era }: Row, { modern, revision }: Frame): boolean {
  if (Array.isArray(era)) return era.includes(revision);
  return era === 'both' || era === (modern ? 'modern' : 'legacy') || era === revision;
}

/** The member of params that `Mcp-Name` must repeat. */
export function mirroredMember(method: string): Mirrored | undefined {
  return methods.get(method)?.mirrored;
}
