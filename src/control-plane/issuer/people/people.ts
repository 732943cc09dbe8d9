import type { Provider } from 'oidc-provider';
import type { IssuerAnswer, IssuerRequest } from '../../../contract/zone-link.ts';
import type { CallerGrants } from '../../upstream-authorization/caller-grants.ts';
import type { Artifacts } from '../artifacts.ts';
import { problemPage } from '../pages/page.ts';
import type { Confirmations } from '../step-up/confirmations.ts';
import { confirmation } from '../step-up/page.ts';
import { upstreamConsent, upstreamReturn } from '../upstream/consent.ts';
import { accountPage } from './account.ts';
import type { Accounts } from './accounts.ts';
import type { Ceremonies } from './ceremonies.ts';
import type { Challenges } from './challenges.ts';
import { enrolment } from './enrolment.ts';
import { ForeignForm } from './forms.ts';
import { signIn } from './sign-in.ts';

/** What happened at the issuer, for the log. */
export interface PeopleEvent {
  readonly event: string;
  readonly subject?: string;
  readonly tenant?: string;
  readonly client?: string;
  readonly detail?: string;
}

/** What people authorize us for at remote servers. */
export type Upstreams = Pick<CallerGrants, 'waiting' | 'refuse' | 'agree' | 'back' | 'withdraw' | 'list'>;

export interface PeopleDeps {
  readonly accounts: Accounts;
  readonly ceremonies: Ceremonies;
  readonly challenges: Challenges;
  readonly confirmations: Confirmations;
  readonly upstreams: Upstreams;
  /** A person has done what an address was for. */
  readonly visited: (id: string) => void;
  /** `https://HOST:PORT`. */
  readonly origin: string;
  readonly now: () => number;
  readonly artifacts: Pick<Artifacts, 'endSession' | 'clients' | 'forget'>;
  readonly report: (event: PeopleEvent) => void;
}

const PAGE = /^\/oauth\/(enrol|sign-in|confirm|upstream)\/([\w-]{20,64})$/;
const RETURN = /^\/oauth\/authorized\/([a-z][a-z0-9-]{0,31})$/;

/**
 * The pages that people see; undefined: the path is none of them.
 * @param request its `url` is the path alone
 */
export async function peoplePages(
  deps: PeopleDeps,
  provider: Provider,
  request: IssuerRequest,
  query: string,
): Promise<IssuerAnswer | undefined> {
  const [, server] = RETURN.exec(request.url) ?? [];
  if (server !== undefined) return upstreamReturn(deps, request, server, query);
  const [, room, id] = PAGE.exec(request.url) ?? [];
  const isAccount = request.url === '/oauth/account';
  if ((room === undefined || id === undefined) && !isAccount) return undefined;
  if (request.method !== 'GET' && request.method !== 'POST')
    return { status: 405, headers: { allow: 'GET, POST' }, body: '' };
  try {
    if (room === undefined || id === undefined) return await accountPage(deps, request);
    if (room === 'enrol') return await enrolment(deps, request, id);
    if (room === 'upstream') return await upstreamConsent(deps, request, id);
    if (room === 'confirm') return await confirmation(deps, request, id);
    return await signIn(deps, provider, request, id);
  } catch (error) {
    if (!(error instanceof ForeignForm)) throw error;
    deps.report({ event: 'foreign-form', detail: error.message });
    return problemPage(
      'That did not come from this page',
      'Nothing was done. Go back, reload the page, and try again.',
      403,
    );
  }
}
