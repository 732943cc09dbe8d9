import type { Answer } from '../contract/answer.ts';
import type { Attendance, Caller } from '../contract/caller.ts';
import { Refusal } from '../contract/refusal.ts';
import type { Soon } from '../contract/soon.ts';
import type { AboutEarlier, Begun } from '../contract/task.ts';
import type {
  Admitted,
  Arrived,
  Authenticated,
  Authorized,
  Confirmed,
  Executed,
  Frame,
  Framed,
  Known,
  Limited,
  Sanitized,
  Screened,
  Validated,
} from '../contract/tool-call.ts';
import { type AuditDeps, AuditTrail } from './audit/trail.ts';

/** The rooms, in the order in which a call walks through them. One set is made of one bundle. */
export interface Rooms {
  readonly version: number;
  authenticate(call: Arrived): Promise<Authenticated>;
  guard(call: Authenticated): void;
  /** Whatever is sent counts, also what no tool will ever see. */
  pace(call: Authenticated | Framed): void;
  /**
   * The answer of another replica, which has the session of a request, or what one of 2026-07-28 goes on with; undefined: it is
   * to be answered here.
   */
  elsewhere(call: Authenticated | Framed): Promise<Answer | undefined> | undefined;
  /** GET and DELETE: streams that carry no call, and the end of a session; resolves when a stream is over. */
  stream(call: Authenticated): Promise<Answer>;
  /** One message, or the members of a batch, each good or refused. */
  frame(call: Authenticated): Promise<Framed | readonly (Framed | Refusal)[]>;
  /** Takes a notification, or a client's response to a server's request: neither has an answer. */
  receive(call: Framed): void;
  /** Finds the session of a request, and with it the client that can be told and asked things in mid-call. */
  attend(call: Framed): Attendance;
  /** The whole answer where no server is needed (lifecycle, lists); undefined: the call walks on. */
  answer(call: Framed): Promise<Answer | undefined>;
  identify(call: Framed): Promise<Known>;
  validate(call: Known): Validated;
  /** May wait for a person's approval, where policies want one. */
  authorize(call: Validated, caller: Caller): Soon<Authorized>;
  /** Has a person confirm the call where its tool wants that; the answer comes with the call's repetition. */
  confirm(call: Authorized, capabilities: Caller['capabilities']): Promise<Confirmed>;
  /** The call that tells what this one would cost; undefined: its price is known without. */
  estimate(call: Confirmed, framed: Framed, caller: Caller): Estimated | undefined;
  /** Takes a token of every limit, and reserves what the call may cost. @param quote raw JSON of its estimate's result */
  limit(call: Confirmed, session: Caller['session'], quote: string | undefined): Promise<Limited>;
  /** What was reserved becomes what it cost; nobody waits for that. Each limited call comes here once. */
  settle(call: Limited | Admitted, outcome: Executed | Refusal | undefined): void;
  execute(call: Admitted, caller: Caller): Promise<Executed>;
  /** Looks for orders to the model in what a server answered. */
  screen(call: Executed, of: Admitted, caller: Caller): Promise<Screened>;
  /** Also cuts what is too large for one answer. */
  sanitize(call: Screened, session: Caller['session']): Sanitized;
  /** A piece of what was cut off before; undefined: the call asks for something else. */
  readOn(call: Framed, session: Caller['session']): Promise<AboutEarlier | undefined>;
  /** `resources/subscribe` and `resources/unsubscribe`. */
  subscribe(call: Admitted, caller: Caller): Promise<Answer>;
  /** `subscriptions/listen`: each resource that it names is admitted like a call. Resolves when the stream is over. */
  listen(call: Framed, caller: Caller, admit: (call: Framed) => Promise<Admitted>): Promise<Answer>;
  /** Has a call go on behind its answer, now or when it takes long; undefined: it is answered when it is over. */
  begin(call: Admitted, caller: Caller): Begun | undefined;
  /** `tasks/…`: answers from the calls that go on, or have ended, behind their answers. */
  task(call: Framed, caller: Caller): Promise<AboutEarlier>;
  respond(call: Sanitized): Answer;
  accept(): Answer;
  batch(answers: readonly Answer[]): Answer;
  /** @param session to be told when a person has been where the refusal leads */
  refuse(refusal: Refusal, call: Arrived, frame: Frame | undefined, session: Caller['session']): Answer;
}

/** A call of the gateway's own on a caller's behalf, and what its failure is to the caller's call. */
export interface Estimated {
  readonly framed: Framed;
  readonly caller: Caller;
  failed(refusal: Refusal): Refusal;
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
 * A call sees one bundle from the arrival of its last byte to its end, whatever is pushed meanwhile.
 */
export function createPipeline(deps: PipelineDeps): (arrived: Arrived) => Promise<Answer> {
  const handle = async (arrived: Arrived): Promise<Answer> => {
    const rooms = deps.rooms();
    if (rooms === undefined) return NOT_YET;
    const trail = new AuditTrail(deps.audit, arrived, rooms.version);
    try {
      const authenticated = await rooms.authenticate(arrived);
      trail.authenticated(authenticated);
      rooms.guard(authenticated);
      rooms.pace(authenticated);
      const elsewhere = await rooms.elsewhere(authenticated);
      if (elsewhere !== undefined) return elsewhere;
      if (arrived.httpMethod !== 'POST') return await stream(authenticated, trail, rooms, deps);
      await arrived.body();
      // Who sends slowly must not be judged by a policy, or let in with a token, that has been withdrawn meanwhile.
      if (deps.rooms() !== rooms) return await handle(arrived);
      const messages = await rooms.frame(authenticated);
      if ('frame' in messages) return await one(messages, trail, rooms, deps);
      return await batch(messages, authenticated, rooms, deps);
    } catch (error) {
      return refuse(error, { arrived, trail, rooms, deps });
    }
  };
  return handle;
}

/** There is no policy yet, so nothing is permitted; whoever asks learns only that. */
const NOT_YET: Answer = { status: 503, headers: { 'retry-after': '1' }, body: '' };

async function stream(call: Authenticated, trail: AuditTrail, rooms: Rooms, deps: PipelineDeps): Promise<Answer> {
  await trail.streamed(call);
  const answer = await rooms.stream(call);
  deps.count('ok');
  return answer;
}

async function one(call: Framed, trail: AuditTrail, rooms: Rooms, deps: PipelineDeps): Promise<Answer> {
  const { answer, attendance } = await walk(call, trail, rooms, deps);
  attendance?.answered(answer.body);
  return call.arrived.transport === 'sse' && attendance !== undefined ? rooms.accept() : answer;
}

/** Each walks the line alone; where one of them has made the answer a stream, the others' answers are events of it. */
async function batch(
  messages: readonly (Framed | Refusal)[],
  { arrived, subject }: Authenticated,
  rooms: Rooms,
  deps: PipelineDeps,
): Promise<Answer> {
  const walked = await Promise.all(
    messages.map(async (message) => {
      const trail = new AuditTrail(deps.audit, arrived, rooms.version);
      trail.authenticated({ subject });
      try {
        if (message instanceof Refusal) throw message;
        rooms.pace(message);
      } catch (error) {
        return { answer: await refuse(error, { arrived, trail, rooms, deps }) };
      }
      return walk(message, trail, rooms, deps);
    }),
  );
  // Those that no session has attended first: the stream ends with the others.
  for (const { answer, attendance } of walked) {
    if (attendance === undefined && answer.body !== '' && arrived.events.state === 'open')
      arrived.events.send({ data: answer.body });
  }
  for (const { answer, attendance } of walked) attendance?.answered(answer.body);
  return rooms.batch(walked.map(({ answer }) => answer));
}

interface Walked {
  readonly answer: Answer;
  /** Absent: it was no request, or its session is not there. */
  readonly attendance?: Attendance | undefined;
}

/** The line itself. */
async function walk(framed: Framed, trail: AuditTrail, rooms: Rooms, deps: PipelineDeps): Promise<Walked> {
  const { arrived, frame } = framed;
  let attendance: Attendance | undefined;
  try {
    trail.framed(framed);
    if (frame.id === undefined || frame.response !== undefined) {
      rooms.receive(framed);
      await trail.answered(0);
      deps.count('ok');
      return { answer: rooms.accept() };
    }
    const elsewhere = await rooms.elsewhere(framed);
    if (elsewhere !== undefined) return { answer: elsewhere };
    attendance = rooms.attend(framed);
    const own = await rooms.answer(framed);
    if (own !== undefined) await trail.answered(own.body.length);
    const answer = own ?? (await further(framed, attendance.caller, trail, rooms, deps));
    deps.count('ok');
    return { answer, attendance };
  } catch (error) {
    const { session } = attendance?.caller ?? {};
    return { answer: await refuse(error, { arrived, trail, rooms, deps }, frame, session), attendance };
  }
}

/** What the gateway answers itself is on record too, before it is given. */
async function further(
  framed: Framed,
  caller: Caller,
  trail: AuditTrail,
  rooms: Rooms,
  deps: PipelineDeps,
): Promise<Answer> {
  if (framed.frame.method === 'subscriptions/listen') {
    await trail.answered(0);
    return rooms.listen(framed, caller, (one) => admitWatched(one, caller, rooms, deps));
  }
  const isTask = framed.frame.method.startsWith('tasks/');
  const earlier = await (isTask ? rooms.task(framed, caller) : rooms.readOn(framed, caller.session));
  if (earlier !== undefined) {
    const { answer, action } = earlier;
    trail.about(action);
    await trail.answered(answer.body.length);
    return answer;
  }
  const admitted = await admit(framed, caller, trail, rooms, deps);
  const begun = beginning(admitted, caller, rooms);
  if (begun !== undefined) return Promise.race([begun.answer, tracked(begun, admitted, trail, rooms, deps)]);
  if (admitted.target.method === 'resources/subscribe') {
    const answer = await rooms.subscribe(admitted, caller).finally(() => rooms.settle(admitted, undefined));
    await trail.completed({ result: answer.body });
    return answer;
  }
  const sanitized = await run(admitted, caller, rooms);
  await trail.completed(sanitized);
  return rooms.respond(sanitized);
}

function beginning(admitted: Admitted, caller: Caller, rooms: Rooms): Begun | undefined {
  try {
    return rooms.begin(admitted, caller);
  } catch (error) {
    rooms.settle(admitted, error instanceof Refusal ? error : undefined);
    throw error;
  }
}

/** The call itself. Whatever comes of it, what it was let in for is settled. */
async function run(admitted: Admitted, caller: Caller, rooms: Rooms): Promise<Sanitized> {
  const outcome = await executed(admitted, caller, rooms);
  return rooms.sanitize(await rooms.screen(outcome, admitted, caller), caller.session);
}

async function executed(admitted: Admitted, caller: Caller, rooms: Rooms): Promise<Executed> {
  let outcome: Executed | Refusal | undefined;
  try {
    outcome = await rooms.execute(admitted, caller);
    return outcome;
  } catch (error) {
    if (error instanceof Refusal) outcome = error;
    throw error;
  } finally {
    rooms.settle(admitted, outcome);
  }
}

/** The rest of the line of what may go on behind its answer. What comes of it is on record before anybody gets it. */
async function tracked(
  begun: Begun,
  admitted: Admitted,
  trail: AuditTrail,
  rooms: Rooms,
  deps: PipelineDeps,
): Promise<Answer> {
  const { arrived, frame } = admitted;
  try {
    const sanitized = await run(admitted, begun.caller, rooms);
    begun.keep(sanitized);
    await trail.completed(sanitized);
    begun.complete();
    return rooms.respond(sanitized);
  } catch (error) {
    if (!begun.isBehind) throw error;
    const { session } = begun.caller;
    const answer = rooms.refuse(await recorded(error, arrived, trail, deps), arrived, frame, session);
    begun.fail(answer);
    return answer;
  }
}

/** One resource of many: whether it may be watched is judged, and on record, as if it had been asked for alone. */
async function admitWatched(framed: Framed, caller: Caller, rooms: Rooms, deps: PipelineDeps): Promise<Admitted> {
  const trail = new AuditTrail(deps.audit, framed.arrived, rooms.version);
  trail.authenticated(framed);
  trail.framed(framed);
  try {
    const admitted = await admit(framed, caller, trail, rooms, deps);
    rooms.settle(admitted, undefined);
    await trail.completed({ result: '' });
    return admitted;
  } catch (error) {
    throw await recorded(error, framed.arrived, trail, deps);
  }
}

/** From the message to the record of its intent: only then may anything happen. */
async function admit(
  framed: Framed,
  caller: Caller,
  trail: AuditTrail,
  rooms: Rooms,
  deps: PipelineDeps,
): Promise<Admitted> {
  const known = await rooms.identify(framed);
  trail.identified(known);
  const validated = rooms.validate(known);
  const authorized = await rooms.authorize(validated, caller);
  const confirmed = await rooms.confirm(authorized, caller.capabilities);
  const quote = await quoted(rooms.estimate(confirmed, framed, caller), rooms, deps);
  const limited = await rooms.limit(confirmed, caller.session, quote);
  try {
    return await trail.admit(limited);
  } catch (error) {
    rooms.settle(limited, new Refusal('audit', String(error)));
    throw error;
  }
}

/** What a call would cost, as its server tells it: that call walks the line too, and is on record as what it is. */
async function quoted(asked: Estimated | undefined, rooms: Rooms, deps: PipelineDeps): Promise<string | undefined> {
  if (asked === undefined) return undefined;
  const { framed, caller } = asked;
  const trail = new AuditTrail(deps.audit, framed.arrived, rooms.version);
  trail.authenticated(framed);
  trail.framed(framed);
  try {
    const admitted = await admit(framed, caller, trail, rooms, deps);
    const { result } = await executed(admitted, caller, rooms);
    await trail.completed({ result });
    return result;
  } catch (error) {
    throw asked.failed(await recorded(error, framed.arrived, trail, deps));
  }
}

interface Refused {
  readonly arrived: Arrived;
  readonly trail: AuditTrail;
  readonly rooms: Rooms;
  readonly deps: PipelineDeps;
}

/** The one way out of every failure: recorded, counted, and told to the caller as far as it may know. */
async function refuse(
  error: unknown,
  { arrived, trail, rooms, deps }: Refused,
  frame?: Frame,
  session?: Caller['session'],
): Promise<Answer> {
  const refusal = await recorded(error, arrived, trail, deps);
  deps.count(refusal.code);
  return rooms.refuse(refusal, arrived, frame, session);
}

/** Records the refusal. What is not a refusal is a fault of ours: the caller learns nothing of it. */
async function recorded(error: unknown, arrived: Arrived, trail: AuditTrail, deps: PipelineDeps): Promise<Refusal> {
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
