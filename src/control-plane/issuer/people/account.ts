import type { IssuerAnswer, IssuerRequest } from '../../../contract/zone-link.ts';
import { foreign, type Html, html } from '../pages/html.ts';
import { ceremonyForm, hidden, page, problemPage, STATUS } from '../pages/page.ts';
import type { Account } from './accounts.ts';
import { CeremonyError } from './ceremonies.ts';
import { ForeignForm, formOf } from './forms.ts';
import type { PeopleDeps } from './people.ts';

type Who = Pick<Account, 'subject' | 'tenant'>;

const SHOW = JSON.stringify(['account']);
const FORM = JSON.stringify(['form', 'account']);

/**
 * `/oauth/account`: what a person has allowed, and the end of it: signed out of every client and browser, or a server's
 * authorization taken back. Each look at it wants a passkey, so that a browser left open shows nothing.
 */
export async function accountPage(deps: PeopleDeps, request: IssuerRequest): Promise<IssuerAnswer> {
  if (request.method === 'GET') return ask(deps);
  const fields = formOf(request, deps.origin);
  const field = (name: string) => fields.get(name) ?? '';
  if (fields.has('pass')) {
    const who = { subject: field('subject'), tenant: field('tenant') };
    if (!deps.challenges.isGood(field('pass'), passPurpose(who))) throw new ForeignForm('no token of the page');
    return end(deps, who, fields.get('server'));
  }
  if (!deps.challenges.isGood(field('csrf'), FORM)) throw new ForeignForm('no token of the page');
  try {
    return show(deps, await deps.ceremonies.verify(SHOW, field('credential')));
  } catch (error) {
    if (!(error instanceof CeremonyError)) throw error;
    deps.report({ event: 'account-refused', detail: error.message });
    return problemPage('The passkey was not accepted', 'Go back and try again.', 403);
  }
}

async function ask({ ceremonies, challenges }: PeopleDeps): Promise<IssuerAnswer> {
  const fields = { csrf: challenges.make(FORM) };
  return page({
    title: 'Your account',
    scripted: true,
    body: html`<h1>What you have allowed</h1>
<p>See which clients may use your tools and which servers you are signed in at, and end any of it.</p>
${ceremonyForm({ kind: 'get', options: await ceremonies.request(SHOW), label: 'Show it with a passkey', fields })}${STATUS}`,
  });
}

function show({ artifacts, challenges, upstreams }: PeopleDeps, { subject, tenant }: Account): IssuerAnswer {
  const pass = { pass: challenges.make(passPurpose({ subject, tenant })), subject, tenant };
  const clients = artifacts.clients(subject).map((client) => html`<li>${foreign(client)}</li>`);
  const grants = upstreams
    .list()
    .filter((grant) => grant.subject === subject && grant.tenant === tenant)
    .map(
      ({
        server,
        issuer,
        scope,
      }) => html`<div><dt>${foreign(server)}</dt><dd>${foreign(issuer)}<small>${foreign(scope.join(' '))}</small>
<form method="post">${hidden({ ...pass, server })}<button class="link">Take back</button></form></dd></div>`,
    );
  return page({
    title: 'Your account',
    body: html`<h1>What you have allowed</h1>
<p>You are <b>${foreign(subject)}</b> of ${foreign(tenant)}.</p>
<h2>Clients that may use your tools</h2><dl><div><dt>Signed in</dt><dd>${listed(clients)}</dd></div></dl>
<form method="post">${hidden(pass)}<button class="plain">Sign out everywhere</button></form>
<h2>Servers that are called in your name</h2>${grants.length === 0 ? html`<p>None.</p>` : html`<dl>${grants}</dl>`}`,
  });
}

function listed(items: readonly Html[]): Html {
  return items.length === 0 ? html`none` : html`<ul>${items}</ul>`;
}

/** @param server whose authorization is taken back; undefined: every session and every client's tokens end */
function end({ artifacts, upstreams, report }: PeopleDeps, who: Who, server: string | undefined): IssuerAnswer {
  if (server === undefined) {
    artifacts.forget(who.subject);
    report({ event: 'signed-out', ...who });
    return problemPage(
      'You are signed out',
      'No client and no browser can go on as you. You may close this page.',
      200,
    );
  }
  upstreams.withdraw(who.subject, who.tenant, server);
  return problemPage('It was taken back', 'No call carries it any more. You may close this page.', 200);
}

function passPurpose({ subject, tenant }: Who): string {
  return JSON.stringify(['account', subject, tenant]);
}
