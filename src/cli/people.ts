import type { InvitationRequest } from '../control-plane/admin-api/routes.ts';
import { AdminRefusal, connectAdmin } from './admin-client.ts';
import { options, UsageError } from './options.ts';

interface Io {
  stdout(text: string): void;
  stderr(text: string): void;
  readonly json: boolean;
  readonly stateDir: string;
}

interface Shown {
  readonly subject: string;
  readonly tenant: string;
  readonly groups: readonly string[];
  readonly passkeys: number;
  readonly cloned: number;
  readonly lastSignIn?: number;
}

/** `innerkeep people`: who may sign in at the embedded issuer, and what people have authorized us for at remote servers. @throws UsageError, NotRunning, AdminRefusal */
export async function people([action, ...rest]: readonly string[], io: Io): Promise<number> {
  if (action === 'invite') await invite(rest, io);
  else if (action === 'ls' || action === undefined) await list(rest, io);
  else if (action === 'remove') await remove(rest, io);
  else if (action === 'grants') await grants(rest, io);
  else if (action === 'withdraw') await withdraw(rest, io);
  else throw new UsageError(`people: no ${JSON.stringify(action)}; there are invite, ls, remove, grants and withdraw`);
  return 0;
}

async function invite(argv: readonly string[], { stateDir, json, stdout, stderr }: Io): Promise<void> {
  const spec = {
    subject: { type: 'string' },
    tenant: { type: 'string' },
    group: { type: 'string', multiple: true },
    ttl: { type: 'string', default: '15m' },
  } as const;
  const { subject, tenant, group, ttl } = options(argv, spec, 0).values;
  if (subject === undefined || tenant === undefined)
    throw new UsageError('people invite: --subject and --tenant are needed');
  const request: InvitationRequest = { subject, tenant, groups: group ?? [], ttlSeconds: seconds(ttl) };
  const answer = await connectAdmin(stateDir).call('POST', '/admin/people/invite', request);
  const link = isObject(answer) && typeof answer.link === 'string' ? answer.link : undefined;
  if (link === undefined) throw new AdminRefusal(0, 'the admin API answered without a link');
  stdout(`${json ? JSON.stringify({ link }) : link}\n`);
  if (!json)
    stderr(
      `Whoever opens it first becomes ${subject}: send it on a way that only that person reads. Good once, for ${ttl}.\n`,
    );
}

async function list(argv: readonly string[], { stateDir, json, stdout }: Io): Promise<void> {
  options(argv, {}, 0);
  const answer = await connectAdmin(stateDir).call('GET', '/admin/people');
  if (json) return stdout(`${JSON.stringify(answer)}\n`);
  const known = isObject(answer) && Array.isArray(answer.people) ? (answer.people satisfies unknown[]) : [];
  for (const one of known as readonly Shown[]) stdout(`${line(one)}\n`);
}

function line({ subject, tenant, groups, passkeys, cloned, lastSignIn }: Shown): string {
  const last = lastSignIn === undefined ? 'never signed in' : `signed in ${new Date(lastSignIn * 1000).toISOString()}`;
  const warning = cloned > 0 ? `  ${cloned} COPIED: remove ${subject} and invite again` : '';
  return `${subject}  ${tenant}  ${groups.join(',') || '-'}  ${passkeys} passkey${passkeys === 1 ? '' : 's'}  ${last}${warning}`;
}

async function remove(argv: readonly string[], { stateDir, json, stdout, stderr }: Io): Promise<void> {
  const [subject] = options(argv, {}, 1).positionals;
  if (subject === undefined) throw new UsageError('people remove: name a subject');
  const answer = await connectAdmin(stateDir).call('POST', '/admin/people/remove', { subject });
  if (json) stdout(`${JSON.stringify(answer)}\n`);
  else stderr(`${subject} is removed; passkeys, sessions and tokens of that account open nothing from now on\n`);
}

interface ShownGrant {
  readonly subject: string;
  readonly tenant: string;
  readonly server: string;
  readonly issuer: string;
  readonly scope: readonly string[];
  /** Milliseconds since the epoch. */
  readonly since: number;
}

async function grants(argv: readonly string[], { stateDir, json, stdout }: Io): Promise<void> {
  options(argv, {}, 0);
  const answer = await connectAdmin(stateDir).call('GET', '/admin/grants');
  if (json) return stdout(`${JSON.stringify(answer)}\n`);
  const known = isObject(answer) && Array.isArray(answer.grants) ? (answer.grants satisfies unknown[]) : [];
  for (const { subject, tenant, server, issuer, scope, since } of known as readonly ShownGrant[])
    stdout(
      `${subject}  ${tenant}  ${server}  ${issuer}  ${scope.join(',') || '-'}  ${new Date(since).toISOString()}\n`,
    );
}

async function withdraw(argv: readonly string[], { stateDir, json, stdout, stderr }: Io): Promise<void> {
  const { positionals, values } = options(argv, { server: { type: 'string' } } as const, 1);
  const [subject] = positionals;
  if (subject === undefined) throw new UsageError('people withdraw: name a subject');
  const { server } = values;
  const wish = { subject, ...(server !== undefined && { server }) };
  const answer = await connectAdmin(stateDir).call('POST', '/admin/grants/withdraw', wish);
  if (json) stdout(`${JSON.stringify(answer)}\n`);
  else
    stderr(`withdrawn: no call carries what ${subject} had authorized${server === undefined ? '' : ` at ${server}`}\n`);
}

function seconds(ttl: string): number {
  const [, amount, unit] = /^(\d{1,6})([smh])$/.exec(ttl) ?? [];
  if (amount === undefined) throw new UsageError('--ttl: a number with s, m or h, e.g. 15m');
  return Number(amount) * (unit === 'h' ? 3600 : unit === 'm' ? 60 : 1);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
