import { isObject, type JsonObject } from '../../contract/json.ts';
import { Refusal } from '../../contract/refusal.ts';
import { type Known, type Target, Validated } from '../../contract/tool-call.ts';
import { outOfBounds } from './bounds.ts';
import type { CompiledInput } from './compile.ts';
import { shownToken } from './json-pointer.ts';
import { noLookalikes, paramsMembers } from './known-members.ts';
import { completionArguments, cursorOnly, promptArguments, resourceUri } from './other-methods.ts';
import { checkRepeated } from './repeated.ts';
import { unfit } from './strings.ts';

/**
 * The stage that lets only well-formed calls on (checklist `input.strict`, `input.bounds`, `input.unicode`,
 * `input.injection`).
 *
 * `inputs` holds the compiled schema of each action `SERVER/TOOL`; a tool that is not in it is refused. What is
 * handed on as `arguments`: of tools/call and prompts/get the arguments, of resources/read and
 * resources/subscribe `{uri}`, of completion/complete the `argument` that is completed; of resources/list nothing.
 * @throws Refusal `validation` for the arguments of a tool, `params` for anything else
 */
export function validateStage(deps: ValidateDeps): (call: Known) => Validated {
  return (call) => new Validated(call, { arguments: argumentsOf(call.target, deps), raw: call.target.paramsRaw });
}

interface ValidateDeps {
  readonly inputs: ReadonlyMap<string, CompiledInput>;
}

function argumentsOf({ method, params, pin, action }: Target, { inputs }: ValidateDeps): JsonObject | undefined {
  checkBounds(params, method);
  noLookalikes(params, paramsMembers[method]);
  switch (method) {
    case 'tools/call':
      return toolArguments(inputs.get(action), params);
    case 'prompts/get':
      return clean(promptArguments(params, pin));
    case 'resources/read':
    case 'resources/subscribe':
      return clean(resourceUri(params));
    case 'completion/complete':
      return clean(completionArguments(params, pin));
    case 'resources/list':
      return cursorOnly(params);
  }
}

function clean(args: JsonObject): JsonObject {
  const why = unfit(args, NO_CODE);
  if (why !== undefined) throw new Refusal('params', why);
  return args;
}

const NO_CODE: ReadonlySet<string> = new Set();

function toolArguments(input: CompiledInput | undefined, params: JsonObject): JsonObject {
  const args = params.arguments ?? (params.arguments === undefined ? Object.freeze({}) : undefined);
  if (!isObject(args)) throw new Refusal('validation', '/arguments: not an object');
  if (input === undefined) throw new Refusal('validation', 'the pinned inputSchema could not be compiled');
  const why = input.check(args) ?? unfit(args, input.code);
  if (why !== undefined) throw new Refusal('validation', `/arguments${why}`);
  return args;
}

/** Every member is bounded on its own, so that `arguments` counts as the first level. */
function checkBounds(params: JsonObject, method: Target['method']): void {
  const keys = Object.keys(params);
  if (keys.length > 100) throw new Refusal('params', 'more than 100 members of params');
  const isTool = method === 'tools/call';
  for (const key of keys) {
    if ((key === 'requestState' || key === 'inputResponses') && paramsMembers[method].includes(key)) {
      checkRepeated(params);
      continue;
    }
    const why = outOfBounds(key) ?? placed(key, outOfBounds(params[key] ?? null));
    if (why !== undefined) throw new Refusal(isTool && key === 'arguments' ? 'validation' : 'params', why);
  }
}

function placed(key: string, why: string | undefined): string | undefined {
  return why && `/${shownToken(key)}${why}`;
}
