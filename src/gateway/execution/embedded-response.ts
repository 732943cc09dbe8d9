import { isObject, type Json, type JsonObject } from '../../contract/json.ts';
import type { RpcAnswer } from '../../contract/upstream.ts';
import type { Question } from './embedded-request.ts';
import { lookalikeOf } from './lookalikes.ts';

const MAX_DEPTH = 20;
const ACTIONS = new Set<Json | undefined>(['accept', 'decline', 'cancel']);
const ROLES = new Set<Json | undefined>(['user', 'assistant']);

/**
 * Why a client's answer must not go to the server that asked; undefined: it goes there as it is. Its size is bounded by
 * the edge's; it has passed `parseStrict`.
 */
export function faultOf(question: Pick<Question, 'method' | 'accepts'>, { kind, raw }: RpcAnswer): string | undefined {
  const value: Json = JSON.parse(raw);
  if (!isObject(value)) return 'no object';
  if (!within(value, MAX_DEPTH)) return `deeper than ${MAX_DEPTH}`;
  if (kind === 'error') {
    return Number.isSafeInteger(value.code) && typeof value.message === 'string' ? undefined : 'no error object';
  }
  switch (question.method) {
    case 'elicitation/create':
      return lookalike(value, ['action', 'content', '_meta']) ?? elicited(value, question);
    case 'sampling/createMessage':
      return lookalike(value, ['role', 'content', 'model', 'stopReason', '_meta']) ?? sampled(value);
    case 'roots/list':
      return lookalike(value, ['roots', '_meta']) ?? rooted(value);
  }
}

function elicited({ action, content }: JsonObject, { accepts }: Pick<Question, 'accepts'>): string | undefined {
  if (!ACTIONS.has(action)) return 'an unknown action';
  if (action === 'accept' && accepts !== undefined) return accepts(content);
  // What was typed before somebody declined is nobody's.
  return content === undefined || content === null || isEmpty(content) ? undefined : 'content that was not accepted';
}

function sampled({ role, content, model }: JsonObject): string | undefined {
  if (!ROLES.has(role)) return 'an unknown role';
  if (typeof content !== 'object' || content === null) return 'no content';
  return typeof model === 'string' ? undefined : 'no model';
}

function rooted({ roots }: JsonObject): string | undefined {
  if (!Array.isArray(roots)) return 'no roots';
  const fits = roots.every((root) => isObject(root) && typeof root.uri === 'string' && root.uri.startsWith('file://'));
  return fits ? undefined : 'a root that is no file URI';
}

function lookalike(value: JsonObject, known: readonly string[]): string | undefined {
  return lookalikeOf(Object.keys(value), known) && 'a member of the protocol in another spelling';
}

function isEmpty(value: Json): boolean {
  return isObject(value) && Object.keys(value).length === 0;
}

function within(value: Json | undefined, depth: number): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return depth > 0 && Object.values(value).every((inner: Json) => within(inner, depth - 1));
}
