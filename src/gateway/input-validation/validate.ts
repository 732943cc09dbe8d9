import { isObject, type JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import { type Known, Validated } from '../../contract/tool-call.ts';
import { outOfBounds } from './bounds.ts';
import type { CompiledInput } from './compile.ts';
import { shownToken } from './json-pointer.ts';
import { completionArguments, cursorOnly, promptArguments, resourceUri } from './other-methods.ts';

/**
 * The stage that lets only well-formed calls on (checklist `input.strict`, `input.bounds`).
 *
 * `inputs` holds the compiled schema of each action `SERVER/TOOL`; a tool that is not in it is refused. What is
 * handed on as `arguments`: of tools/call and prompts/get the arguments, of resources/read `{uri}`, of
 * completion/complete the `argument` that is completed; of resources/list nothing.
 * @throws Refusal `validation` for the arguments of a tool, `params` for anything else
 */
export function validateStage(deps: {
  readonly inputs: ReadonlyMap<string, CompiledInput>;
}): (call: Known) => Validated {
  return (call) => {
    const { method, params, pin, paramsRaw: raw } = call.target;
    checkBounds(params, method === 'tools/call');
    switch (method) {
      case 'tools/call':
        return new Validated(call, { arguments: toolArguments(deps.inputs.get(call.target.action), params), raw });
      case 'prompts/get':
        return new Validated(call, { arguments: promptArguments(params, pin), raw });
      case 'resources/read':
        return new Validated(call, { arguments: resourceUri(params), raw });
      case 'completion/complete':
        return new Validated(call, { arguments: completionArguments(params, pin), raw });
      case 'resources/list':
        cursorOnly(params);
        return new Validated(call, { arguments: undefined, raw });
    }
  };
}

function toolArguments(input: CompiledInput | undefined, params: JsonObject): JsonObject {
  const args = params.arguments ?? (params.arguments === undefined ? Object.freeze({}) : undefined);
  if (!isObject(args)) throw new Refusal('validation', '/arguments: not an object');
  if (input === undefined) throw new Refusal('validation', 'the pinned inputSchema could not be compiled');
  const why = input.check(args);
  if (why !== undefined) throw new Refusal('validation', `/arguments${why}`);
  return args;
}

/** Every member is bounded on its own, so that `arguments` counts as the first level. */
function checkBounds(params: JsonObject, isTool: boolean): void {
  const keys = Object.keys(params);
  if (keys.length > 100) throw new Refusal('params', 'more than 100 members of params');
  for (const key of keys) {
    const member = params[key];
    const why = outOfBounds(key, '') ?? (member === undefined ? undefined : outOfBounds(member, `/${shownToken(key)}`));
    if (why !== undefined) throw new Refusal(isTool && key === 'arguments' ? 'validation' : 'params', why);
  }
}
