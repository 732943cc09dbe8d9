import type { IssuerAnswer, IssuerRequest } from '../../../contract/zone-link.ts';
import { shownArguments } from '../pages/arguments.ts';
import { foreign, html } from '../pages/html.ts';
import { ceremonyForm, hidden, page, problemPage, STATUS } from '../pages/page.ts';
import { CeremonyError } from '../people/ceremonies.ts';
import { ForeignForm, formOf } from '../people/forms.ts';
import type { PeopleDeps } from '../people/people.ts';
import type { WaitingCall } from './confirmations.ts';

/** `/oauth/confirm/ID`: one call, all of it, and a passkey for it. Whoever else has the address can only look. */
export async function confirmation(deps: PeopleDeps, request: IssuerRequest, id: string): Promise<IssuerAnswer> {
  const waiting = deps.confirmations.waiting(id);
  if (waiting === undefined)
    return problemPage(
      'Nothing waits here',
      'The call was confirmed or refused already, or waited for longer than ten minutes. Let your client make it again.',
      404,
    );
  if (request.method === 'GET') return show(deps, waiting);
  const fields = formOf(request, deps.origin);
  if (!deps.challenges.isGood(fields.get('csrf') ?? '', formPurpose(waiting)))
    throw new ForeignForm('no token of the page');
  if (fields.get('decision') === 'refuse') {
    deps.confirmations.refuse(waiting);
    deps.report({ event: 'call-refused', subject: waiting.call.subject, detail: id });
    return problemPage('The call was refused', 'It does not happen. You may close this page.', 200);
  }
  return confirm(deps, waiting, fields.get('credential') ?? '');
}

async function show({ ceremonies, challenges }: PeopleDeps, waiting: WaitingCall): Promise<IssuerAnswer> {
  const { subject, tenant, server, tool, arguments: args } = waiting.call;
  const csrf = challenges.make(formPurpose(waiting));
  const options = await ceremonies.request(purpose(waiting));
  return page({
    title: 'Confirm a call',
    scripted: true,
    wide: true,
    body: html`<h1>Do you want this call to happen?</h1>
<p>A client asks for it in your name. Read it to its end: what stands here is what would happen, once.</p>
<dl><div><dt>Tool</dt><dd><b>${foreign(tool)}</b><small>of ${foreign(server)}</small></dd></div>
<div><dt>Acting as</dt><dd>${foreign(subject)}<small>of ${foreign(tenant)}</small></dd></div></dl>
<h2>With these arguments</h2>${shownArguments(args)}
<div class="actions"><form method="post" class="slim">${hidden({ csrf, decision: 'refuse' })}<button class="plain">Refuse</button></form>
${ceremonyForm({ kind: 'get', options, label: 'Confirm with a passkey', fields: { csrf } })}</div>${STATUS}`,
  });
}

async function confirm(
  { ceremonies, confirmations, visited, report }: PeopleDeps,
  waiting: WaitingCall,
  credential: string,
): Promise<IssuerAnswer> {
  const { id, call } = waiting;
  try {
    const account = await ceremonies.verify(purpose(waiting), credential);
    if (account.subject !== call.subject || account.tenant !== call.tenant)
      throw new CeremonyError(`${account.subject} is not whose call it is`);
  } catch (error) {
    if (!(error instanceof CeremonyError)) throw error;
    report({ event: 'confirmation-refused', subject: call.subject, detail: `${id}: ${error.message}` });
    return problemPage(
      'The passkey was not accepted',
      'Only the person in whose name the call is made can confirm it, with a passkey of that account.',
      403,
    );
  }
  confirmations.confirm(waiting);
  visited(id);
  report({ event: 'call-confirmed', subject: call.subject, tenant: call.tenant, detail: id });
  return page({
    title: 'Confirmed',
    body: html`<h1>Confirmed</h1>
<p>Go back to your client: for two minutes it can make this very call, once. You may close this page.</p>`,
  });
}

/** What the passkey signs is bound to the call: its digest is part of the challenge's purpose. */
function purpose({ id, digest }: WaitingCall): string {
  return JSON.stringify(['confirm', id, digest]);
}

function formPurpose({ id }: WaitingCall): string {
  return JSON.stringify(['form', 'confirm', id]);
}
