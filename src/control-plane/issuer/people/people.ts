import type { Provider } from 'oidc-provider';
import type { IssuerAnswer, IssuerRequest } from '../../../contract/zone-link.ts';
import type { Artifacts } from '../artifacts.ts';
import { problemPage } from '../pages/page.ts';
import type { Confirmations } from '../step-up/confirmations.ts';
import { confirmation } from '../step-up/page.ts';
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

export interface PeopleDeps {
  readonly accounts: Accounts;
  readonly ceremonies: Ceremonies;
  readonly challenges: Challenges;
  readonly confirmations: Confirmations;
  /** `https://HOST:PORT`. */
  readonly origin: string;
  readonly now: () => number;
  readonly endSession: Artifacts['endSession'];
  readonly report: (event: PeopleEvent) => void;
}

const PAGE = /^\/oauth\/(enrol|sign-in|confirm)\/([\w-]{20,64})$/;

/** The pages that people see; undefined: the path is none of them. */
export async function peoplePages(
  deps: PeopleDeps,
  provider: Provider,
  request: IssuerRequest,
): Promise<IssuerAnswer | undefined> {
  const [, room, id] = PAGE.exec(request.url) ?? [];
  if (room === undefined || id === undefined) return undefined;
  if (request.method !== 'GET' && request.method !== 'POST')
    return { status: 405, headers: { allow: 'GET, POST' }, body: '' };
  try {
    if (room === 'enrol') return await enrolment(deps, request, id);
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
