import type { Caller } from '../../contract/caller.ts';
import { Refusal } from '../../contract/refusal.ts';
import type { Admitted } from '../../contract/tool-call.ts';
import type { RpcAnswer } from '../../contract/upstream.ts';
import { EmbeddedRefusal } from './embedded-refusal.ts';
import { type Embedding, type Question, recordBadAnswer } from './embedded-request.ts';
import { faultOf } from './embedded-response.ts';
import {
  type InputRequest,
  type InputRequired,
  mayWantInput,
  readInputRequired,
  sanitizedResult,
  withInput,
} from './input-required.ts';
import type { MidCall } from './mid-call.ts';
import { acceptsOf } from './requested-schema.ts';
import type { Asked, Continuation } from './sealed-state.ts';

/** How often one call of an older client is made anew with more input. */
const MAX_ROUNDS = 8;

/**
 * What a client of 2026-07-28 is answered with, and what it will have to bring back.
 * @throws Refusal when any of the requests must not be asked: all or nothing
 */
export async function relayed(
  wanted: InputRequired,
  { capabilities }: Caller,
  midCall: MidCall,
): Promise<{ readonly result: string; readonly continuation: Continuation }> {
  const questions = await Promise.all(wanted.requests.map((request) => midCall.judge(request, capabilities)));
  const asked = wanted.requests.map(({ key }, index): [string, Asked] => [key, askedOf(questions[index])]);
  const own = wanted.state === undefined ? {} : { state: wanted.state };
  return {
    result: sanitizedResult(wanted, questions),
    continuation: { kind: 'relayed', ...own, asked: Object.fromEntries(asked) },
  };
}

function askedOf(question: Question | undefined): Asked {
  if (question === undefined) throw new Error('a request that was not judged');
  const { method, accepts, value } = question;
  return accepts === undefined || value.requestedSchema === undefined
    ? { method }
    : { method, schema: value.requestedSchema };
}

/**
 * Holds a client's answers against what was asked; answers to nothing are left to the server, which ignores them.
 * @throws Refusal params
 */
export async function judgeResponses(
  embedding: Embedding,
  call: Admitted,
  asked: Readonly<Record<string, Asked>>,
  responses: ReadonlyMap<string, string>,
): Promise<void> {
  for (const [key, { method, schema }] of Object.entries(asked)) {
    const raw = responses.get(key);
    if (raw === undefined) continue;
    const accepts = schema === undefined ? undefined : acceptsOf(schema);
    const fault = faultOf({ method, accepts }, { kind: 'result', raw });
    if (fault === undefined) continue;
    await recordBadAnswer(embedding, call, method, raw, fault);
    throw new Refusal('params', `the client's answer: ${fault.slice(0, 256)}`);
  }
}

/**
 * Asks a client, in its session or by the call's task, for what a server of 2026-07-28 wants, and makes the call anew
 * until it is answered.
 * @throws Refusal when something must not be asked, the client gives an error, or the server asks without end
 */
export async function roundsInSession(
  first: InputRequired,
  { params, frame }: Admitted,
  caller: Caller,
  midCall: MidCall,
  again: (params: string) => Promise<RpcAnswer>,
): Promise<RpcAnswer> {
  let wanted: InputRequired | undefined = first;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const responses = await responsesTo(wanted, caller, midCall, frame.modern);
    const answer = await again(withInput(params.raw, responses, wanted.state));
    wanted = answer.kind === 'result' && mayWantInput(answer.raw) ? readInputRequired(answer.raw) : undefined;
    if (wanted === undefined) return answer;
  }
  throw new Refusal('upstream', `wants input after ${MAX_ROUNDS} rounds`);
}

async function responsesTo(
  { requests }: InputRequired,
  caller: Caller,
  midCall: MidCall,
  modern: boolean,
): Promise<ReadonlyMap<string, string>> {
  if (caller.ask === undefined && requests.length > 0)
    throw new Refusal('upstream', 'wants input that a client without a session cannot give');
  // All are judged before any is asked.
  const questions = await Promise.all(
    requests.map(async (request): Promise<[string, Question]> => {
      const question = modern
        ? await midCall.judge(request, caller.capabilities)
        : await judged(request, caller, midCall);
      return [request.key, question];
    }),
  );
  return new Map(
    await Promise.all(
      questions.map(async ([key, question]): Promise<[string, string]> => {
        const answer = await midCall.accept(question, await midCall.put(question));
        if (answer.kind === 'error')
          throw new Refusal('upstream', `${question.method}: the client gave ${answer.raw.slice(0, 256)}`);
        return [key, answer.raw];
      }),
    ),
  );
}

/** The code for a missing capability is one that older clients do not know. */
async function judged(request: InputRequest, caller: Caller, midCall: MidCall): Promise<Question> {
  try {
    return await midCall.judge(request, caller.capabilities);
  } catch (error) {
    if (error instanceof EmbeddedRefusal && error.code === 'missing-capability')
      throw new Refusal('upstream', error.detail);
    throw error;
  }
}
