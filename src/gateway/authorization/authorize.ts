import type { GatewayServer } from '../../contract/bundle.ts';
import type { Json } from '../../contract/json.ts';
import type { PolicyEngine, Verdict } from '../../contract/policy-engine.ts';
import { Refusal } from '../../contract/refusal.ts';
import { Authorized, type Subject, type Validated } from '../../contract/tool-call.ts';
import { argumentsOf, factsOf } from './question.ts';
import { demandScope } from './scopes.ts';
import { sameTenant } from './tenancy.ts';

export interface AuthorizationDeps {
  readonly engine: PolicyEngine;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/**
 * May this subject do this, with these arguments? Tenants first, policy second.
 * Then whether its token is good for it: who may anyway is told which scope is missing, and nobody else.
 * Refuses as `unknown` (or `unknown-resource`) across tenants, as `validation` what a policy compares as a path or URL
 * and is not canonical, as `policy` everything that no permit allows.
 */
export function authorizeStage(
  deps: AuthorizationDeps & { readonly servers: readonly GatewayServer[] },
): (call: Validated) => Authorized {
  const servers = new Map(deps.servers.map((server) => [server.pins.name, server]));
  return (call) => {
    const { subject, target } = call;
    const server = servers.get(target.server);
    if (!server || !sameTenant(subject.tenant, server)) {
      const isResource = target.method === 'resources/read' || target.method === 'resources/subscribe';
      const code = isResource ? 'unknown-resource' : 'unknown';
      throw new Refusal(code, `${target.server} is not of the tenant ${subject.tenant}`);
    }
    const facts = factsOf(subject, target.action, deps.now());
    const verdict = deps.engine.decide({ ...facts, arguments: argumentsOf(target, call.params) });
    if (verdict.notCanonical !== undefined) throw new Refusal('validation', verdict.detail);
    if (!verdict.allow) throw new Refusal('policy', verdict.detail);
    demandScope(subject, target.server, target.action);
    return new Authorized(call, verdict);
  };
}

/** Whether a subject may do this to a server now: for what happens beside its calls, in their course or behind them. */
export type Decide = (subject: Subject, server: string, action: string, args: Json) => Verdict;

/** Tenants first, policy second. */
export function decision(deps: AuthorizationDeps & { readonly servers: readonly GatewayServer[] }): Decide {
  const servers = new Map(deps.servers.map((server) => [server.pins.name, server]));
  return (subject, name, action, args) => {
    const server = servers.get(name);
    if (!server || !sameTenant(subject.tenant, server))
      return { allow: false, policies: [], detail: `${name} is not of the tenant ${subject.tenant}` };
    return deps.engine.decide({ ...factsOf(subject, action, deps.now()), arguments: args });
  };
}

/** Could the subject do this for some arguments? What it could not must look as if it did not exist. */
export type Visible = (subject: Subject, action: string, server: GatewayServer) => boolean;

/** The one answer for every list and for the existence of a target: tenants first, policy second. */
export function visibility(deps: AuthorizationDeps): Visible {
  return (subject, action, server) =>
    sameTenant(subject.tenant, server) && deps.engine.visible(factsOf(subject, action, deps.now()));
}
