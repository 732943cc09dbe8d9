import packageJson from '../../package.json' with { type: 'json' };
import type { GatewayBundle } from '../contract/bundle.ts';
import type { PolicyEngine } from '../contract/policy-engine.ts';
import { type Soon, when } from '../contract/soon.ts';
import { splice } from '../contract/splice.ts';
import { isStopped } from '../contract/stops.ts';
import type { Admitted } from '../contract/tool-call.ts';
import { AuditTrail } from '../gateway/audit/trail.ts';
import { authorizeStage, type Decide, decision, visibility } from '../gateway/authorization/authorize.ts';
import { historyUse } from '../gateway/authorization/history-use.ts';
import { ipRiskBy } from '../gateway/authorization/ip-risk.ts';
import { argumentsOf, factsOf, NO_HISTORY } from '../gateway/authorization/question.ts';
import { demandScope } from '../gateway/authorization/scopes.ts';
import { sameTenant } from '../gateway/authorization/tenancy.ts';
import type { Asked } from '../gateway/decisions/recent.ts';
import { actionOf, createCatalogue } from '../gateway/descriptors/catalogue.ts';
import { type IdentifyDeps, identifyStage } from '../gateway/descriptors/identify.ts';
import { listDigests, lists } from '../gateway/descriptors/lists.ts';
import { outbound } from '../gateway/descriptors/outbound.ts';
import { askedUriEdits } from '../gateway/descriptors/resource-uris.ts';
import { createVisibility } from '../gateway/descriptors/visibility.ts';
import type { Embedding } from '../gateway/execution/embedded-request.ts';
import { executeStage, type Remote } from '../gateway/execution/execute.ts';
import type { Lending } from '../gateway/execution/lending.ts';
import type { RuntimeLink } from '../gateway/execution/runtime-link.ts';
import { compileInputs } from '../gateway/input-validation/compile.ts';
import { validateStage } from '../gateway/input-validation/validate.ts';
import { pinnedFilter } from '../gateway/output-sanitization/pinned.ts';
import { redactJson } from '../gateway/output-sanitization/redact-json.ts';
import { sanitizeStage } from '../gateway/output-sanitization/sanitize.ts';
import type { Rooms } from '../gateway/pipeline.ts';
import { frame, subscriptionOf } from '../gateway/protocol/frame.ts';
import { decodeHeader } from '../gateway/protocol/headers.ts';
import { lifecycle } from '../gateway/protocol/lifecycle.ts';
import { answeredBy } from '../gateway/protocol/methods.ts';
import {
  acceptedAnswer,
  batchAnswer,
  endedAnswer,
  refusalAnswer,
  relayedAnswer,
  resultAnswer,
} from '../gateway/protocol/respond.ts';
import { type FitDeps, fit, readOn } from '../gateway/remainders/fit.ts';
import type { MayHave } from '../gateway/remainders/remainders.ts';
import { screenStage, suspectedOf } from '../gateway/result-injection/screen.ts';
import { OnceStates } from '../gateway/step-up/once-states.ts';
import { stepUpStage } from '../gateway/step-up/stage.ts';
import type { View } from '../gateway/subscriptions/subscriptions.ts';
import { guard } from '../gateway/transport/guard.ts';
import { asFailure } from '../runtime/upstream/upstream.ts';
import { asReviewed, difference } from './as-reviewed.ts';
import { limitRooms } from './limit-rooms.ts';
import type { Furnished, Standing } from './standing.ts';

/**
 * Furnishes every room for one bundle.
 * @throws Error naming what of the bundle cannot be used
 */
export function furnish(
  bundle: GatewayBundle,
  engine: PolicyEngine,
  standing: Standing,
  link: RuntimeLink,
  remotes: ReadonlyMap<string, Remote>,
): Furnished {
  const { servers, edge, limits, stops } = bundle;
  const {
    clock,
    authenticate,
    sessions,
    replicas,
    subscriptions,
    tasks,
    seal,
    held,
    stillMay: mayNow,
    lender,
    confirm,
  } = standing;
  const used = historyUse(bundle);
  const { led, pace, contexts, remainders, state, running, histories, recent, audit, fault } = standing;
  const inputs = compileInputs(servers);
  const [unusable] = inputs.refused;
  if (unusable !== undefined) throw new Error(`${unusable.server}: ${unusable.error.message}`);

  const byName = new Map(servers.map((server) => [server.pins.name, server]));
  const ofAction = (action: string) => byName.get(/^[^/#]+/.exec(action)?.[0] ?? '');
  const seen = visibility({ engine, now: Date.now });
  const catalogue = createCatalogue(servers);
  const visible = (...[subject, action]: Parameters<Parameters<typeof createVisibility>[1]>): Soon<boolean> => {
    const server = ofAction(action);
    return server !== undefined && seen(subject, action, server);
  };
  /** What a call seeks and does not find is a decision too. */
  const unseen: IdentifyDeps['unseen'] = (call, action) => {
    const server = ofAction(action);
    if (server === undefined) return;
    const anywhere = { ipRisk: undefined, session: NO_HISTORY };
    recent.remember(call, factsOf(call.subject, action, server, Date.now(), anywhere));
  };
  const shown = createVisibility(catalogue, visible);
  const answerLists = lists({ catalogue, visibility: shown, visible });
  const answerLifecycle = lifecycle({ version: packageJson.version, servers: shown.servers });
  const authorization = { engine, servers, now: Date.now, ipRisk: ipRiskBy(bundle.ipRisk) };
  const decide = decision(authorization);
  const reviewed = new Map(servers.map(({ pins }) => [pins.name, asReviewed(pins)]));
  const embedding: Embedding = {
    mayAsk: ({ subject, target, arrived }, method) =>
      decide(subject, target.server, actionOf(target.server, method), {}, arrived.remote),
    redact: redactJson,
    named: ({ arrived, target }, method, params) =>
      arrived.server === undefined ? splice(params, askedUriEdits(method, params, `${target.server}+`)) : params,
    record: (call, fact) => {
      const trail = new AuditTrail(audit, call.arrived, bundle.version);
      trail.authenticated(call);
      return trail.embedded(fact);
    },
    suspect: suspectedOf,
    keepsBack: (server) => byName.get(server)?.suspected === 'quarantine',
    heard: ({ subject }, session) => histories.read(subject, session, 'suspected', used),
    attempted: (call, attempt) => {
      const trail = new AuditTrail(audit, call.arrived, bundle.version);
      trail.authenticated(call);
      trail.identified(call);
      trail.attempted(call.target.server, attempt).catch((error) => fault(error, call.arrived.incident));
    },
    kept: (call, sandbox) => {
      const trail = new AuditTrail(audit, call.arrived, bundle.version);
      trail.authenticated(call);
      trail.identified(call);
      trail.shared(call.target.server, sandbox).catch((error) => fault(error, call.arrived.incident));
    },
    asReviewed: (server) => reviewed.get(server),
    differs: (call, said) => {
      const { server } = call.target;
      const known = reviewed.get(server);
      if (known === undefined) return;
      const trail = new AuditTrail(audit, call.arrived, bundle.version);
      trail.drifted(server, difference(known, said)).catch((error) => fault(error, call.arrived.incident));
    },
  };
  const lending: Lending = {
    needed: (server) => byName.get(server)?.credentials !== undefined || byName.get(server)?.exchanged !== undefined,
    exchanged: (server) => byName.get(server)?.exchanged ?? [],
    lend: (wish) => lender.lend(wish),
    giveBack: (leases) => lender.giveBack(leases),
    prove: (wish) => lender.prove(wish),
    record: (call, event, detail) => {
      const trail = new AuditTrail(audit, call.arrived, bundle.version);
      trail.authenticated(call);
      trail.identified(call);
      return trail.credentials(event, detail);
    },
  };

  const { served, ...limiting } = limitRooms(bundle, standing);
  const execute = executeStage({
    link,
    remotes,
    failureOf: asFailure,
    clock,
    embedding,
    lending,
    served,
    seal,
    held,
    stillMay: mayNow,
  });
  const authorize = authorizeStage({
    ...authorization,
    asked: (call, question) => recent.remember(call, question),
    histories,
    historyUse: used,
    clock,
    confirm,
  });
  const screen = screenStage({
    action: (server) => byName.get(server)?.suspected ?? 'mark',
    approved: (server) => byName.get(server)?.approved ?? [],
  });
  const identify = identifyStage({ catalogue, visibility: shown, visible, unseen, decodeHeader });
  const judge = (asked: Asked): Soon<boolean> => {
    const server = ofAction(asked.action);
    if (server === undefined || !sameTenant(asked.tenant, server)) return false;
    if (!('arguments' in asked)) return engine.visible(asked);
    return when(engine.decide(asked), ({ allow, notCanonical }) => allow && notCanonical === undefined);
  };

  const filtered = pinnedFilter();
  const fitting: FitDeps = {
    remainders,
    allowance: {
      left: (subject, session) => contexts.left(subject, session, limits.context),
      take: (subject, session, bytes) => contexts.take(subject, session, limits.context, bytes),
    },
    maxAnswer: (server) => byName.get(server)?.maxAnswer ?? Number.POSITIVE_INFINITY,
  };
  /** What was cut off an answer is had as the answer was: a person who had to be asked has been. */
  const mayReadOn: MayHave = (subject, server, action, args, remote) => {
    demandScope(subject, server, action);
    return (
      !isStopped({ subject, target: { server, action } }, stops) &&
      when(decide(subject, server, action, args, remote), ({ allow, ask }) => allow || ask !== undefined)
    );
  };

  const rooms: Rooms = {
    version: bundle.version,
    authenticate,
    guard: (call) => guard(call, edge),
    // What another replica has carried here has been counted there; not so what a batch holds.
    pace: (call) => {
      if (call.arrived.vouched === undefined || 'frame' in call) pace.message(call.subject, limits);
    },
    elsewhere: (call) => ('frame' in call ? replicas?.ofSubject(call) : replicas?.ofSession(call)),
    stream: async (call) => {
      if (call.arrived.httpMethod === 'DELETE') await sessions.end(call);
      else if (call.arrived.transport === 'sse') await sessions.listenSse(call);
      else return sessions.listen(call);
      return endedAnswer();
    },
    frame: (call) => frame(call, sessions.revisionOf(call)),
    receive: (call) => sessions.receive(call),
    attend: (call) => sessions.attend(call),
    answer: async (call) => {
      const { frame } = call;
      await shown.admit(call);
      switch (answeredBy(frame)) {
        case 'lifecycle': {
          const answer = resultAnswer(frame, filtered(await answerLifecycle(call)));
          if (frame.method !== 'initialize' || call.arrived.transport === 'sse') return answer;
          const id = sessions.open(call);
          await sessions.announced(id);
          return { ...answer, headers: { ...answer.headers, 'mcp-session-id': id } };
        }
        case 'session':
          await sessions.setLevel(call);
          return resultAnswer(frame, '{}');
        case 'tasks':
        case 'listen':
        case 'subscriptions':
          return undefined;
        case 'pins':
        case 'executed': {
          const result = await answerLists(call);
          return result === undefined ? undefined : resultAnswer(frame, filtered(result));
        }
      }
    },
    identify,
    validate: validateStage({ inputs: inputs.byAction }),
    authorize,
    confirm: stepUpStage({
      servers,
      confirm,
      continues: (call, state) => seal.isGood(call, state),
      once: new OnceStates(state),
    }),
    ...limiting,
    execute: async (call, caller) => {
      const [keep, key] = [byName.get(call.target.server)?.keep, caller.session?.key];
      if (keep !== undefined && key !== undefined)
        await replicas?.keepHere(call.target.server, call.subject.key, key, keep.idle);
      return running.run(call, caller, execute);
    },
    screen: async (call, { subject }, { session }) => {
      const screened = await screen(call);
      if (screened.suspected !== undefined) await histories.read(subject, session, 'suspected', used);
      return screened;
    },
    sanitize: sanitizeStage({
      outbound: ({ target, arrived, frame: { modern } }, raw) =>
        outbound(target, arrived.server === undefined, modern, raw),
      fit: (call, whole, session) => fit(fitting, call, whole, session),
    }),
    readOn: async (call, session) => {
      const read = await readOn(fitting, call, session, mayReadOn);
      return read && { answer: resultAnswer(call.frame, read.result), action: read.action };
    },
    subscribe: async (call, caller) => {
      const un = call.frame.method === 'resources/unsubscribe';
      if (!un) await sessions.subscribes(caller.session);
      const result = await (un ? subscriptions.unsubscribe(call, caller) : subscriptions.subscribe(call, caller));
      return resultAnswer(call.frame, result);
    },
    listen: async (call, caller, admit) => {
      const result = await subscriptions.listen(call, caller, (uri) => admit(subscriptionOf(call, uri)));
      return resultAnswer(call.frame, result);
    },
    begin: (call, caller) => {
      const task = tasks.begin(call, caller);
      return (
        task && {
          answer: task.created.then((result) => resultAnswer(call.frame, result)),
          get isBehind() {
            return task.isBehind;
          },
          caller: task,
          keep: (sanitized) => task.keep(sanitized),
          complete: () => task.complete(),
          fail: ({ body }) => task.fail(body),
        }
      );
    },
    task: async (call, caller) => {
      const elsewhere = await replicas?.ofTask(call, caller.signal);
      if (elsewhere !== undefined) return { answer: elsewhere, action: undefined };
      const others = call.frame.method === 'tasks/list' && (await replicas?.ofOthers(call, caller.signal));
      const { answer, action } = await tasks.answer(call, caller, others || []);
      return { answer: relayedAnswer(call.frame, answer), action };
    },
    respond: (call) => resultAnswer(call.frame, call.result),
    accept: acceptedAnswer,
    batch: batchAnswer,
    refuse: (refusal, call, frame, session) => {
      led.refused(refusal, frame, session);
      return refusalAnswer(refusal, call, edge, frame);
    },
  };
  /** What was let in before, asked again. */
  const permits = (...[subject, server, action, args, remote]: Parameters<Decide>): Soon<boolean> =>
    !isStopped({ subject, target: { server, action } }, stops) &&
    when(decide(subject, server, action, args, remote), ({ allow }) => allow);
  const view: View = {
    lists: listDigests({ catalogue, visibility: shown, visible }),
    permits: (subject, { server, action, params }) => permits(subject, server, action, { uri: params.uri ?? null }),
  };
  const stillMay = ({ subject, target, params, arrived }: Admitted) =>
    permits(subject, target.server, target.action, argumentsOf(target, params) ?? {}, arrived.remote);
  return { rooms, view, permits, stillMay, lending, judge, leftOut: catalogue.leftOut };
}
