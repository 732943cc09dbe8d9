import type { RpcAnswer } from '../../contract/upstream.ts';

export type Status = 'working' | 'input_required' | 'completed' | 'failed' | 'cancelled';

/** What of a task every form of it shows; times are ISO 8601, durations milliseconds. */
export interface Face {
  readonly id: string;
  readonly status: Status;
  readonly created: string;
  readonly updated: string;
  readonly ttl: number;
  readonly pollInterval: number;
}

/** As 2025-11-25 has it; raw JSON. */
export function legacyTask({ id, status, created, updated, ttl, pollInterval }: Face): string {
  return JSON.stringify({ taskId: id, status, createdAt: created, lastUpdatedAt: updated, ttl, pollInterval });
}

/** What a call is answered with that has become a task (extension of 2026-07-28, CreateTaskResult); raw JSON. */
export function createdTask(face: Face): string {
  return `{"resultType":"task",${baseOf(face)}}`;
}

/**
 * A task with what belongs to its status (DetailedTask); raw JSON.
 * @param inputs raw JSON: what is asked now
 * @param answer what the call would have been answered with, once it has ended
 */
export function detailedTask(face: Face, inputs: string, answer: RpcAnswer | undefined): string {
  const more =
    face.status === 'input_required' ? `,"inputRequests":${inputs}` : answer === undefined ? '' : ended(answer);
  return `{${baseOf(face)}${more}}`;
}

/** The same as the result of `tasks/get`. */
export function gotTask(detailed: string): string {
  return `{"resultType":"complete",${detailed.slice(1)}`;
}

/** What `tasks/update` and `tasks/cancel` are answered with. */
export const ACKNOWLEDGED = '{"resultType":"complete"}';

function ended({ kind, raw }: RpcAnswer): string {
  if (kind === 'result') return `,"result":${raw}`;
  const { message = '' }: { readonly message?: unknown } = JSON.parse(raw);
  return `,"statusMessage":${JSON.stringify(String(message))},"error":${raw}`;
}

function baseOf({ id, status, created, updated, ttl, pollInterval }: Face): string {
  const base = { taskId: id, status, createdAt: created, lastUpdatedAt: updated };
  return JSON.stringify({ ...base, ttlMs: ttl, pollIntervalMs: pollInterval }).slice(1, -1);
}
