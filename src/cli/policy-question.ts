import type { GatewayServer } from '../contract/bundle.ts';
import type { Json } from '../contract/json.ts';
import type { PolicyEngine, RequestFacts, SubjectFacts } from '../contract/policy-engine.ts';
import { UsageError } from './options.ts';

/** A question as an operator writes it. */
export interface Ask {
  readonly subject: SubjectFacts;
  readonly action: string;
  readonly arguments: Json;
  /** Absent: now. */
  readonly hour: number | undefined;
  readonly mfa_age_s: number | undefined;
}

export interface Answer {
  readonly verdict: 'allow' | 'deny';
  readonly policies: readonly string[];
  readonly detail: string;
  /** Whether lists show the target to the subject; what they do not show answers as unknown. */
  readonly visible: boolean;
}

interface Rooms {
  readonly servers: readonly GatewayServer[];
  sameTenant(tenant: string, server: GatewayServer): boolean;
  now(): number;
}

/** Asks as the gateway does: tenants first, policy second. */
export function ask(asked: Ask, { servers, sameTenant, now }: Rooms, engine: PolicyEngine): Answer {
  const { subject, action } = asked;
  const server = servers.find(({ pins }) => action.startsWith(`${pins.name}/`) || action.startsWith(`${pins.name}#`));
  if (!server) return denied(`no pinned server has the action ${action}`);
  if (!sameTenant(subject.tenant, server)) return denied(`${server.pins.name} is not of the tenant ${subject.tenant}`);
  const hour = asked.hour ?? new Date(now()).getUTCHours();
  const context: RequestFacts = { hour, mfa_age_s: asked.mfa_age_s };
  const facts = { subject, action, tenant: subject.tenant, context };
  const { allow, policies, detail } = engine.decide({ ...facts, arguments: asked.arguments });
  return { verdict: allow ? 'allow' : 'deny', policies, detail, visible: engine.visible(facts) };
}

function denied(detail: string): Answer {
  return { verdict: 'deny', policies: [], detail, visible: false };
}

export function explanation({ verdict, policies, detail, visible }: Answer): string {
  const determined = policies.map((id) => `  determined by ${id}\n`).join('');
  const listed = visible
    ? 'listed for this subject'
    : 'not listed for this subject: a call answers as if it did not exist';
  return `${verdict}: ${detail}\n${determined}  ${listed}\n`;
}

interface Flags {
  readonly subject?: string | undefined;
  readonly kind: string;
  readonly tenant?: string | undefined;
  readonly group: readonly string[];
  readonly acr?: string | undefined;
  readonly action?: string | undefined;
  readonly arguments: string;
  readonly hour?: string | undefined;
  readonly 'mfa-age'?: string | undefined;
}

/** The question that the options of `policy explain` ask. @throws UsageError */
export function readSubject(flags: Flags): Ask {
  const { subject, kind, tenant, action, acr } = flags;
  if (!subject || !tenant || !action)
    throw new UsageError('policy explain --subject ID --tenant T [--group G]… --action SERVER/TOOL [--arguments JSON]');
  if (kind !== 'User' && kind !== 'Workload') throw new UsageError('--kind is User or Workload');
  return {
    subject: { id: subject, kind, tenant, groups: flags.group, acr },
    action,
    arguments: parseJson(flags.arguments),
    hour: count(flags.hour, '--hour'),
    mfa_age_s: count(flags['mfa-age'], '--mfa-age'),
  };
}

function parseJson(text: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError('--arguments is not JSON');
  }
}

function count(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`${name} takes a whole number`);
  return Number(text);
}
