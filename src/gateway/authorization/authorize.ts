import type { GatewayServer } from '../../contract/bundle.ts';
import type { Caller } from '../../contract/caller.ts';
import type { Json } from '../../contract/json.ts';
import type { Approver, PolicyEngine, Question, Verdict } from '../../contract/policy-engine.ts';
import { Refusal } from '../../contract/refusal.ts';
import { resourceOf, templatesByAction } from '../../contract/resource-mapping.ts';
import { type Soon, when } from '../../contract/soon.ts';
import { Authorized, type Subject, type Validated } from '../../contract/tool-call.ts';
import { type ApprovalDeps, approval } from './approvals.ts';
import type { Histories, Judged } from './histories.ts';
import type { HistoryUse } from './history-use.ts';
import { argumentsOf, type Circumstances, factsOf, NO_HISTORY, toolFacts } from './question.ts';
import { demandScope } from './scopes.ts';
import { sameTenant } from './tenancy.ts';

export interface AuthorizationDeps {
  readonly engine: PolicyEngine;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

interface Placed extends AuthorizationDeps {
  readonly servers: readonly GatewayServer[];
  /** Of an address; undefined: nobody has said anything of addresses. */
  readonly ipRisk: (address: string | undefined) => number | undefined;
}

interface StageDeps extends Placed, ApprovalDeps {
  readonly histories: Histories;
  readonly historyUse: HistoryUse;
  /** Is told of each question before a person has been asked anything about its call. */
  readonly asked?: (call: Validated, question: Question) => void;
}

/**
 * May this subject do this, with these arguments, from there, after what its session has done? Tenants first, policy second.
 * Then whether its token is good for it: who may anyway is told which scope is missing, and nobody else. What is allowed
 * is in the session's history in the same breath: of calls that are judged at once, each knows of those before it.
 * Refuses as `unknown` (or `unknown-resource`) across tenants, as `validation` what a policy compares as a path or URL
 * and is not canonical, and what does not say which resource it is about; as `policy` everything that no permit allows; as
 * `approval-call` what a person may lift (`@ask`) and has not.
 */
export function authorizeStage(deps: StageDeps): (call: Validated, caller: Asking) => Soon<Authorized> {
  const servers = byName(deps.servers);
  const judge = judgeBy(deps);
  const authorize = (call: Validated, caller: Asking, approved?: Approved): Soon<Authorized> => {
    const { subject, target, arrived } = call;
    const server = servers.get(target.server);
    if (!server || !sameTenant(subject.tenant, server)) {
      const isResource = target.method === 'resources/read' || target.method === 'resources/subscribe';
      const code = isResource ? 'unknown-resource' : 'unknown';
      throw new Refusal(code, `${target.server} is not of the tenant ${subject.tenant}`);
    }
    const tell = approved === undefined ? (question: Question) => deps.asked?.(call, question) : undefined;
    const outcome = deps.histories.judge(subject, caller.session, deps.historyUse, (session) => {
      const known = { ipRisk: deps.ipRisk(arrived.remote), session };
      const verdict = judge(subject, server, target.action, argumentsOf(target, call.params), known, tell);
      return when(verdict, (given) => conclude(call, server, given, approved));
    });
    return when(outcome, (given) => {
      if (given instanceof Authorized) return given;
      // Much may have happened until a person has decided: then it is judged anew, as it is then.
      return approval(deps, call, caller, given).then((by) =>
        authorize(call, caller, { by, as: by === 'caller' ? 'caller' : 'operator' }),
      );
    });
  };
  /** Gives who has to approve it, where somebody has to. */
  const conclude = (
    call: Validated,
    server: GatewayServer,
    verdict: Verdict,
    approved: Approved | undefined,
  ): Judged<Authorized | Approver> => {
    const { subject, target } = call;
    const { ask } = verdict;
    if (verdict.notCanonical !== undefined) throw new Refusal('validation', verdict.detail);
    const isLifted = ask !== undefined && (approved?.as === 'operator' || approved?.as === ask);
    if (!verdict.allow && ask === undefined) throw new Refusal('policy', verdict.detail);
    demandScope(subject, target.server, target.action);
    if (ask !== undefined && !isLifted) {
      if (approved !== undefined) throw new Refusal('approval-call', `${verdict.detail}, meanwhile`);
      return { outcome: ask };
    }
    return {
      outcome: new Authorized(call, isLifted && approved ? { ...verdict, approval: approved.by } : verdict),
      entry: { action: target.action, tool: toolFacts(server, target.action), approved: isLifted },
    };
  };
  return (call, caller) => authorize(call, caller);
}

type Asking = Pick<Caller, 'session' | 'ask' | 'capabilities' | 'signal'>;

interface Approved {
  readonly by: string;
  readonly as: Approver;
}

type Judge = (
  subject: Subject,
  server: GatewayServer,
  action: string,
  args: Json | undefined,
  known: Circumstances,
  tell?: (question: Question) => void,
) => Soon<Verdict>;

/** One question to the engine, with the resource that the arguments name. */
function judgeBy({ engine, now, servers }: Placed): Judge {
  const templates = templatesByAction(servers);
  return (subject, server, action, args, known, tell) => {
    const resource = resourceOf(templates.get(action) ?? {}, args);
    if (typeof resource === 'string') return { allow: false, policies: [], detail: resource, notCanonical: resource };
    const question = { ...factsOf(subject, action, server, now(), known), resource, arguments: args };
    tell?.(question);
    return engine.decide(question);
  };
}

/** Whether a subject may do this to a server now: for what happens beside its calls, in their course or behind them. */
export type Decide = (subject: Subject, server: string, action: string, args: Json, remote?: string) => Soon<Verdict>;

/**
 * Tenants first, policy second. The session's history is not asked again: it was, when the call began; nor is the address,
 * where none is given.
 */
export function decision(deps: Placed): Decide {
  const servers = byName(deps.servers);
  const judge = judgeBy(deps);
  return (subject, name, action, args, remote) => {
    const server = servers.get(name);
    if (!server || !sameTenant(subject.tenant, server))
      return { allow: false, policies: [], detail: `${name} is not of the tenant ${subject.tenant}` };
    return judge(subject, server, action, args, { ipRisk: deps.ipRisk(remote), session: NO_HISTORY });
  };
}

/** Could the subject do this for some arguments? What it could not must look as if it did not exist. */
export type Visible = (subject: Subject, action: string, server: GatewayServer) => Soon<boolean>;

/** The one answer for every list and for the existence of a target: tenants first, policy second. */
export function visibility(deps: AuthorizationDeps): Visible {
  const anywhere = { ipRisk: undefined, session: NO_HISTORY };
  return (subject, action, server) =>
    sameTenant(subject.tenant, server) && deps.engine.visible(factsOf(subject, action, server, deps.now(), anywhere));
}

function byName(servers: readonly GatewayServer[]): ReadonlyMap<string, GatewayServer> {
  return new Map(servers.map((server) => [server.pins.name, server]));
}
