import type { GatewayServer } from '../contract/bundle.ts';
import type { Json } from '../contract/json.ts';
import type {
  PolicyEngine,
  Question,
  RequestFacts,
  SessionFacts,
  SubjectFacts,
  ToolFacts,
} from '../contract/policy-engine.ts';
import { resourceOf, templatesByAction } from '../contract/resource-mapping.ts';
import { UsageError } from './options.ts';
import { Session } from './session-facts.ts';

/** A question as an operator writes it. */
export interface Ask {
  readonly subject: SubjectFacts;
  readonly action: string;
  readonly arguments: Json;
  /** Hour and weekday absent: now. */
  readonly context: { readonly [K in Exclude<keyof RequestFacts, 'tool'>]?: RequestFacts[K] | undefined };
}

export interface Answer {
  readonly verdict: 'allow' | 'ask' | 'deny';
  readonly policies: readonly string[];
  readonly detail: string;
  /** Whether lists show the target to the subject; what they do not show answers as unknown. */
  readonly visible: boolean;
}

export interface Rooms {
  readonly servers: readonly GatewayServer[];
  sameTenant(tenant: string, server: GatewayServer): boolean;
  toolFacts(server: GatewayServer, action: string): ToolFacts;
  now(): number;
}

const NO_HISTORY: SessionFacts = { reads: [], writes: [], calls: {}, approved: [] };

/** Asks as the gateway does: tenants first, policy second. */
export async function ask(asked: Ask, rooms: Rooms, engine: PolicyEngine): Promise<Answer> {
  const question = questionOf(asked, rooms);
  if (typeof question === 'string') return denied(question);
  const { allow, ask: who, policies, detail } = await engine.decide(question);
  const verdict = allow ? 'allow' : who === undefined ? 'deny' : 'ask';
  return { verdict, policies, detail, visible: await engine.visible(question) };
}

/** The whole question; a text says why it never reaches the engine. */
export function questionOf(
  { subject, action, arguments: args, context: given }: Ask,
  { servers, sameTenant, toolFacts, now }: Rooms,
): Question | string {
  const server = servers.find(({ pins }) => action.startsWith(`${pins.name}/`) || action.startsWith(`${pins.name}#`));
  if (!server) return `no pinned server has the action ${action}`;
  if (!sameTenant(subject.tenant, server)) return `${server.pins.name} is not of the tenant ${subject.tenant}`;
  const resource = resourceOf(templatesByAction([server]).get(action) ?? {}, args);
  if (typeof resource === 'string') return resource;
  const time = new Date(now());
  const context: RequestFacts = {
    hour: given.hour ?? time.getUTCHours(),
    weekday: given.weekday ?? (time.getUTCDay() || 7),
    mfa_age_s: given.mfa_age_s,
    ip_risk: given.ip_risk ?? 0,
    device: given.device,
    tool: toolFacts(server, action),
    session: given.session ?? NO_HISTORY,
  };
  return { subject, action, tenant: subject.tenant, context, resource, arguments: args };
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
  readonly weekday?: string | undefined;
  readonly 'mfa-age'?: string | undefined;
  readonly 'ip-risk'?: string | undefined;
  readonly device?: string | undefined;
  readonly session: string;
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
    arguments: parseJson(flags.arguments, '--arguments'),
    context: {
      hour: count(flags.hour, '--hour'),
      weekday: count(flags.weekday, '--weekday'),
      mfa_age_s: count(flags['mfa-age'], '--mfa-age'),
      ip_risk: count(flags['ip-risk'], '--ip-risk'),
      device: flags.device,
      session: sessionOf(parseJson(flags.session, '--session')),
    },
  };
}

function sessionOf(value: Json): SessionFacts {
  const parsed = Session.safeParse(value);
  if (!parsed.success) throw new UsageError(`--session: ${parsed.error.issues[0]?.message}`);
  return parsed.data;
}

function parseJson(text: string, name: string): Json {
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError(`${name} is not JSON`);
  }
}

function count(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`${name} takes a whole number`);
  return Number(text);
}
