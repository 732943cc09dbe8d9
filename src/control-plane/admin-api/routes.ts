import { z } from 'zod';
import type { Account } from '../budgets/spent-file.ts';
import { type Issuer, IssuerError } from '../issuer/issuer.ts';
import type { RunningLease } from '../secrets/leases.ts';
import { type StopsFile, stopWish } from '../stops/stops-file.ts';
import type { CallerGrants } from '../upstream-authorization/caller-grants.ts';
import type { DiffAnswer, HistoryAnswer } from './history.ts';
import { type Metrics, renderMetrics } from './metrics.ts';
import type { PushAnswer } from './push.ts';
import { AdminError, type AdminRequest, type AdminRoutes, answerJson } from './server.ts';

const tokenWish = z.strictObject({
  subject: z.string(),
  tenant: z.string(),
  groups: z.array(z.string()).default([]),
  audience: z.string().optional(),
  ttlSeconds: z.number().int(),
  dpopJkt: z.string().optional(),
  scopes: z.array(z.string()).optional(),
  acr: z.literal('mfa').optional(),
});
const invitation = z.strictObject({
  subject: z.string(),
  tenant: z.string(),
  groups: z.array(z.string()).default([]),
  ttlSeconds: z.number().int(),
});
const removal = z.strictObject({ subject: z.string() });
const withdrawal = z.strictObject({ subject: z.string(), server: z.string().optional() });
const decision = z.strictObject({ id: z.string(), approve: z.boolean() });
const pushWish = z.strictObject({
  who: z.string().max(128),
  why: z.string().max(1024),
  /** The policies of this earlier version, in place of the operator's files. */
  rollback: z.int().min(1).optional(),
  /** Nothing comes into force: so many of the newest decisions are asked again. */
  rehearse: z.int().min(0).max(100_000).optional(),
});
const versionNumber = z.coerce.number().int().min(1);
const revocation = z.strictObject({ token: z.string().min(1) });

export type TokenRequest = z.input<typeof tokenWish>;
export type PushRequest = z.output<typeof pushWish>;
export type InvitationRequest = z.input<typeof invitation>;

export interface StandardDeps {
  readonly issuer: Pick<Issuer, 'mint' | 'revoke' | 'invite' | 'people' | 'remove' | 'approvals'>;
  /** The issuers of `identity.issuers`; where there are any, nobody accepts the embedded one's tokens. */
  readonly externalIssuers: readonly string[];
  /** The default audience, e.g. `https://localhost:8443/mcp`. */
  readonly mcp: string;
  readonly grants: Pick<CallerGrants, 'list' | 'withdraw'>;
  /** A new bundle with the issuer's list has reached the gateways when it resolves. */
  readonly publishRevocations: () => Promise<void>;
  /** Reads the operator's files again and puts them into force, or says why not. */
  readonly push: (wish: PushRequest) => Promise<PushAnswer>;
  readonly history: (most: number) => HistoryAnswer;
  /** @param to undefined: the newest. @throws RangeError when there is no such version */
  readonly diff: (from: number, to: number | undefined) => DiffAnswer;
  /** Do all zones work? */
  readonly ready: () => boolean;
  readonly metrics: () => Metrics | Promise<Metrics>;
  /** What is lent at this moment; never a value. */
  readonly leases: () => readonly RunningLease[];
  readonly stops: Pick<StopsFile, 'current' | 'add' | 'remove'>;
  /** A new bundle with what is stopped is in force at the gateways when it resolves. */
  readonly publishStops: () => Promise<void>;
  /** What budgets have come to, in periods that are not over. */
  readonly budgets: () => readonly Account[];
  /** What `GET /admin/status` says; JSON. */
  readonly status: () => unknown;
}

/** Health, metrics, status, and the embedded issuer's tokens. */
export function standardRoutes(deps: StandardDeps): AdminRoutes {
  return {
    'GET /healthz': { open: true, handle: () => answerJson({ status: 'ok' }) },
    'GET /readyz': {
      open: true,
      handle: () => (deps.ready() ? answerJson({ status: 'ok' }) : answerJson({ status: 'not ready' }, 503)),
    },
    'GET /metrics': {
      open: true,
      handle: async () => ({
        status: 200,
        type: 'text/plain; version=0.0.4; charset=utf-8',
        body: renderMetrics(await deps.metrics()),
      }),
    },
    'GET /admin/status': { handle: () => answerJson(deps.status()) },
    'GET /admin/leases': { handle: () => answerJson({ leases: deps.leases() }) },
    'GET /admin/stops': { handle: () => answerJson({ stops: deps.stops.current }) },
    'POST /admin/stop': { handle: ({ body }) => switched(deps, 'add', body) },
    'POST /admin/resume': { handle: ({ body }) => switched(deps, 'remove', body) },
    'GET /admin/budgets': { handle: () => answerJson({ budgets: deps.budgets() }) },
    'POST /admin/token': {
      handle: async ({ body }) => {
        const { audience, dpopJkt, acr, scopes, ...wish } = read(tokenWish, body);
        refuseUseless(deps.externalIssuers);
        const token = await refusing(() =>
          deps.issuer.mint({
            ...wish,
            audience: audience ?? deps.mcp,
            ...(dpopJkt === undefined ? {} : { dpopJkt }),
            ...(acr === undefined ? {} : { acr }),
            ...(scopes === undefined ? {} : { scopes }),
          }),
        );
        return answerJson({ token });
      },
    },
    'POST /admin/revoke': {
      handle: async ({ body }) => {
        const { token } = read(revocation, body);
        const revoked = await refusing(async () => deps.issuer.revoke(token));
        await deps.publishRevocations();
        return answerJson(revoked);
      },
    },
    'GET /admin/people': { handle: () => answerJson({ people: deps.issuer.people() }) },
    'POST /admin/people/invite': {
      handle: async ({ body }) => {
        const { ttlSeconds, ...who } = read(invitation, body);
        return answerJson({ link: await refusing(async () => deps.issuer.invite(who, ttlSeconds)) });
      },
    },
    'POST /admin/people/remove': {
      handle: async ({ body }) => {
        const { subject } = read(removal, body);
        await refusing(async () => deps.issuer.remove(subject));
        await deps.publishRevocations();
        return answerJson({ removed: subject });
      },
    },
    'GET /admin/approvals': {
      handle: () => answerJson({ approvals: deps.issuer.approvals.all().map(({ id, call }) => ({ id, ...call })) }),
    },
    'POST /admin/approvals': {
      handle: ({ body }) => {
        const { id, approve } = read(decision, body);
        const waiting = deps.issuer.approvals.waiting(id);
        if (waiting === undefined) throw new AdminError(400, `no call waits as ${id}`);
        if (approve) deps.issuer.approvals.confirm(waiting);
        else deps.issuer.approvals.deny(waiting);
        return answerJson({ id, approved: approve });
      },
    },
    'GET /admin/grants': { handle: () => answerJson({ grants: deps.grants.list() }) },
    'POST /admin/grants/withdraw': {
      handle: ({ body }) => {
        const { subject, server } = read(withdrawal, body);
        const withdrawn = deps.grants.withdraw(subject, undefined, server);
        if (withdrawn.length === 0) throw new AdminError(400, `${subject} has authorized nothing there`);
        return answerJson({ withdrawn });
      },
    },
    'GET /admin/history': {
      handle: ({ query }) => answerJson(deps.history(readQuery(versionNumber, query.get('most')))),
    },
    'GET /admin/diff': {
      handle: ({ query }) => {
        const to = query.get('to') || undefined;
        const asked = [readQuery(versionNumber, query.get('from')), to && readQuery(versionNumber, to)] as const;
        return existing(() => answerJson(deps.diff(asked[0], asked[1] || undefined)));
      },
    },
    'POST /admin/push': {
      handle: async ({ body }) => {
        const wish = read(pushWish, body);
        const pushed = await existing(() => deps.push(wish));
        return answerJson(pushed, pushed.refused === undefined ? 200 : 422);
      },
    },
  };
}

async function switched({ stops, publishStops }: StandardDeps, how: 'add' | 'remove', body: AdminRequest['body']) {
  stops[how](read(stopWish, body));
  await publishStops();
  return answerJson({ stops: stops.current });
}

function refuseUseless([external]: readonly string[]): void {
  if (external === undefined) return;
  throw new AdminError(
    400,
    `the embedded issuer is not accepted here: identity.issuers names ${external}; get the token there, or take identity.issuers out of the configuration`,
  );
}

function read<T>(schema: z.ZodType<T>, body: AdminRequest['body']): T {
  const parsed = schema.safeParse(body);
  if (parsed.success) return parsed.data;
  throw new AdminError(400, z.prettifyError(parsed.error));
}

function readQuery(schema: z.ZodType<number>, text: string | null): number {
  const parsed = schema.safeParse(text);
  if (parsed.success) return parsed.data;
  throw new AdminError(400, z.prettifyError(parsed.error));
}

/** Of versions. */
async function existing<T>(act: () => T | Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw error instanceof RangeError ? new AdminError(400, error.message) : error;
  }
}

async function refusing<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw error instanceof IssuerError ? new AdminError(400, error.message) : error;
  }
}
