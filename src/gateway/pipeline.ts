import type { Answer } from '../contract/answer.ts';
import { Refusal } from '../contract/refusal.ts';
import type {
  Admitted,
  Arrived,
  Authenticated,
  Authorized,
  Executed,
  Frame,
  Framed,
  Known,
  Sanitized,
  Validated,
} from '../contract/tool-call.ts';
import { type AuditDeps, AuditTrail } from './audit/trail.ts';

/** The rooms, in the order in which a call walks through them. One set is made of one bundle. */
export interface Rooms {
  readonly version: number;
  authenticate(call: Arrived): Promise<Authenticated>;
  guard(call: Authenticated): void;
  frame(call: Authenticated): Promise<Framed>;
  /** The whole answer where no server is needed (lifecycle, lists); undefined: the method is executed. */
  answer(call: Framed): Answer | undefined;
  identify(call: Framed): Known;
  validate(call: Known): Validated;
  authorize(call: Validated): Authorized;
  execute(call: Admitted): Promise<Executed>;
  sanitize(call: Executed): Sanitized;
  respond(call: Sanitized): Answer;
  refuse(refusal: Refusal, call: Arrived, frame: Frame | undefined): Answer;
}

export interface PipelineDeps {
  /** The rooms of the bundle that is in force now; undefined: none has arrived. */
  readonly rooms: () => Rooms | undefined;
  readonly audit: AuditDeps;
  /** For faults of our own, which no record may hide. */
  readonly fault: (incident: string, error: unknown) => void;
  /** Every request once: `ok`, or the code of its refusal. */
  readonly count: (code: string) => void;
}

/**
 * The path of one request, from its head to its answer. Every entry point calls this; nothing goes round it.
 * A call sees one bundle from beginning to end, whatever is pushed meanwhile.
 */
export function createPipeline(deps: PipelineDeps): (arrived: Arrived) => Promise<Answer> {
  return async (arrived) => {
    const rooms = deps.rooms();
    if (rooms === undefined) return NOT_YET;
    const trail = new AuditTrail(deps.audit, arrived, rooms.version);
    let framed: Framed | undefined;
    try {
      const authenticated = await rooms.authenticate(arrived);
      trail.authenticated(authenticated);
      rooms.guard(authenticated);
      framed = await rooms.frame(authenticated);
      trail.framed(framed);

      const answer = rooms.answer(framed);
      if (answer !== undefined) {
        await trail.answered(answer.body.length);
        deps.count('ok');
        return answer;
      }

      const known = rooms.identify(framed);
      trail.identified(known);
      const validated = rooms.validate(known);
      const authorized = rooms.authorize(validated);
      const admitted = await trail.admit(authorized);
      const executed = await rooms.execute(admitted);
      const sanitized = rooms.sanitize(executed);
      await trail.completed(sanitized);
      deps.count('ok');
      return rooms.respond(sanitized);
    } catch (error) {
      const refusal = await close(error, arrived, trail, deps);
      deps.count(refusal.code);
      return rooms.refuse(refusal, arrived, framed?.frame);
    }
  };
}

/** There is no policy yet, so nothing is permitted; whoever asks learns only that. */
const NOT_YET: Answer = { status: 503, headers: { 'retry-after': '1' }, body: '' };

/** Records the refusal. What is not a refusal is a fault of ours: the caller learns nothing of it. */
async function close(error: unknown, arrived: Arrived, trail: AuditTrail, deps: PipelineDeps): Promise<Refusal> {
  const refusal = error instanceof Refusal ? error : new Refusal('internal', String(error));
  if (refusal !== error) deps.fault(arrived.incident, error);
  try {
    await trail.refused(refusal);
    return refusal;
  } catch (unwritable) {
    deps.fault(arrived.incident, unwritable);
    // To strangers there is one answer, whatever our own state.
    if (refusal.code === 'unauthenticated') return refusal;
    return unwritable instanceof Refusal ? unwritable : new Refusal('audit', String(unwritable));
  }
}
