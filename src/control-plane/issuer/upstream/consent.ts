import type { IssuerAnswer, IssuerRequest } from '../../../contract/zone-link.ts';
import type { WaitingVisit } from '../../upstream-authorization/visits.ts';
import { foreign, html } from '../pages/html.ts';
import { ceremonyForm, hidden, page, problemPage, STATUS } from '../pages/page.ts';
import { CeremonyError } from '../people/ceremonies.ts';
import { ForeignForm, formOf } from '../people/forms.ts';
import type { PeopleDeps } from '../people/people.ts';
import { visitCookie, visitIn } from './cookie.ts';

/**
 * `/oauth/upstream/ID`: what a remote server is to be told, by whom and for whom, before anybody is sent to its issuer.
 * Nobody is sent there unseen: the passkey of the one person whose call it is signs for this very page.
 */
export async function upstreamConsent(deps: PeopleDeps, request: IssuerRequest, id: string): Promise<IssuerAnswer> {
  const visit = deps.upstreams.waiting(id);
  if (visit === undefined)
    return problemPage(
      'Nothing waits here',
      'It was done or refused already, or waited for longer than ten minutes. Let your client make its call again.',
      404,
    );
  if (request.method === 'GET') return show(deps, visit);
  const fields = formOf(request, deps.origin);
  if (!deps.challenges.isGood(fields.get('csrf') ?? '', formPurpose(visit)))
    throw new ForeignForm('no token of the page');
  if (fields.get('decision') === 'refuse') {
    deps.upstreams.refuse(visit);
    return problemPage('Nothing was allowed', 'The server learns nothing of you. You may close this page.', 200);
  }
  return agree(deps, visit, fields.get('credential') ?? '');
}

async function show({ ceremonies, challenges }: PeopleDeps, visit: WaitingVisit): Promise<IssuerAnswer> {
  const { rules, subject, tenant, client, scope } = visit;
  const csrf = challenges.make(formPurpose(visit));
  const options = await ceremonies.request(purpose(visit));
  const scopes = scope.map((one) => html`<li>${foreign(one)}</li>`);
  const may = scope.length === 0 ? html`What ${foreign(host(rules.issuer))} thinks right` : html`<ul>${scopes}</ul>`;
  const asking = client === undefined ? [] : [html`<div><dt>Asked by</dt><dd>${foreign(client)}</dd></div>`];
  return page({
    title: 'Let innerkeep act for you',
    scripted: true,
    body: html`<h1>Let innerkeep use ${foreign(rules.server)} for you?</h1>
<p>Go on only if your client told you just now to come here. You are sent to ${foreign(host(rules.issuer))}, to sign in there; what it
gives is kept here, for you alone. Every client that you let use your tools can then call this one, as far as policy permits.</p>
<dl><div><dt>Server</dt><dd><b>${foreign(host(rules.url))}</b><small>${foreign(rules.url)}</small></dd></div>
<div><dt>Sign-in at</dt><dd><b>${foreign(host(rules.issuer))}</b><small>${foreign(rules.issuer)}</small></dd></div>
<div><dt>It may</dt><dd>${may}</dd></div>
<div><dt>For</dt><dd>${foreign(rules.audience)}</dd></div>
<div><dt>As client</dt><dd>${foreign(rules.clientId)}<small>so it knows this gateway</small></dd></div>${asking}
<div><dt>Acting as</dt><dd>${foreign(subject)}<small>of ${foreign(tenant)}</small></dd></div></dl>
<div class="actions"><form method="post" class="slim">${hidden({ csrf, decision: 'refuse' })}<button class="plain">Refuse</button></form>
${ceremonyForm({ kind: 'get', options, label: 'Go on with a passkey', fields: { csrf } })}</div>${STATUS}`,
  });
}

async function agree(deps: PeopleDeps, visit: WaitingVisit, credential: string): Promise<IssuerAnswer> {
  const { id, subject, tenant, rules } = visit;
  try {
    const account = await deps.ceremonies.verify(purpose(visit), credential);
    if (account.subject !== subject || account.tenant !== tenant)
      throw new CeremonyError(`${account.subject} is not whose call it is`);
  } catch (error) {
    if (!(error instanceof CeremonyError)) throw error;
    deps.report({ event: 'upstream-consent-refused', subject, detail: `${id}: ${error.message}` });
    return problemPage(
      'The passkey was not accepted',
      'Only the person in whose name the call is made can allow it, with a passkey of that account.',
      403,
    );
  }
  try {
    const { url, browser } = await deps.upstreams.agree(visit);
    const sent = departure(host(rules.issuer), url);
    return { ...sent, headers: { ...sent.headers, 'set-cookie': visitCookie(id, browser) } };
  } catch (error) {
    deps.report({
      event: 'upstream-unreachable',
      subject,
      tenant,
      detail: error instanceof Error ? error.message : '',
    });
    return problemPage('The way there is closed', 'The server’s sign-in cannot be used now. Try again later.', 502);
  }
}

/** Not the answer to a form: a browser would hold every address on the way to what our own page lets forms do. */
function departure(to: string, url: string): IssuerAnswer {
  return page({
    title: 'On to the sign-in',
    refresh: url,
    body: html`<h1>You are sent to ${foreign(to)}</h1><p>If nothing happens, <a rel="noreferrer" href="${url}">go there</a>.</p>`,
  });
}

/** `/oauth/authorized/SERVER`: where the issuer of a server sends people back to. */
export async function upstreamReturn(
  deps: PeopleDeps,
  { method, headers }: IssuerRequest,
  server: string,
  query: string,
): Promise<IssuerAnswer> {
  if (method !== 'GET') return { status: 405, headers: { allow: 'GET' }, body: '' };
  try {
    const visit = await deps.upstreams.back(server, new URLSearchParams(query), (id) => visitIn(headers.cookie, id));
    if (visit === undefined)
      return problemPage(
        'Nobody is expected here with that',
        'It took too long, was begun in another browser, or is over. Let your client make its call again.',
        404,
      );
    return page({
      title: 'Allowed',
      body: html`<h1>innerkeep can use ${foreign(visit.rules.server)} for you now</h1>
<p>Go back to your client: it can make its call again. You may close this page.</p>`,
    });
  } catch (error) {
    deps.report({
      event: 'upstream-not-authorized',
      detail: `${server}: ${error instanceof Error ? error.message : ''}`,
    });
    return problemPage(
      'It was not allowed',
      'The server’s sign-in did not go through. Open the first page again.',
      403,
    );
  }
}

function host(url: string): string {
  return new URL(url).host;
}

/** What the passkey signs is bound to the visit: all that its page shows is part of the challenge's purpose. */
function purpose({ id, rules, subject, tenant, client, scope }: WaitingVisit): string {
  const { server, url, issuer, audience, clientId } = rules;
  return JSON.stringify(['upstream', id, server, url, issuer, audience, clientId, subject, tenant, client, scope]);
}

function formPurpose({ id }: WaitingVisit): string {
  return JSON.stringify(['form', 'upstream', id]);
}
