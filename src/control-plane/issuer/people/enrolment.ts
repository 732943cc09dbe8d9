import type { IssuerAnswer, IssuerRequest } from '../../../contract/zone-link.ts';
import { foreign, html } from '../pages/html.ts';
import { ceremonyForm, page, problemPage, STATUS } from '../pages/page.ts';
import { CeremonyError } from './ceremonies.ts';
import { formOf } from './forms.ts';
import type { PeopleDeps } from './people.ts';

/** `/oauth/enrol/SECRET`: the page behind an operator's invitation. Looking at it uses nothing up; a passkey does. */
export async function enrolment(
  { accounts, ceremonies, origin, report }: PeopleDeps,
  request: IssuerRequest,
  secret: string,
): Promise<IssuerAnswer> {
  const invitation = accounts.invitation(secret);
  if (invitation === undefined)
    return problemPage(
      'This link is of no use any more',
      'An invitation works once, for a short time. Ask your operator for another.',
      404,
    );
  const { subject, tenant, groups } = invitation;
  if (request.method === 'GET') {
    const { options, handle } = await ceremonies.creation(secret, invitation);
    const member = groups.length === 0 ? [] : [html`<div><dt>Groups</dt><dd>${foreign(groups.join(', '))}</dd></div>`];
    const form = ceremonyForm({ kind: 'create', options, label: 'Create a passkey', fields: { handle } });
    return page({
      title: 'Create your passkey',
      scripted: true,
      body: html`<h1>Create your passkey</h1>
<p>You were invited to use the tools behind this gateway. Your device will keep a passkey for it; there is no password.</p>
<dl><div><dt>You are</dt><dd><b>${foreign(subject)}</b></dd></div>
<div><dt>Organisation</dt><dd>${foreign(tenant)}</dd></div>${member}</dl>
${form}${STATUS}`,
    });
  }
  const fields = formOf(request, origin);
  try {
    await ceremonies.enrol(secret, fields.get('handle') ?? '', fields.get('credential') ?? '');
  } catch (error) {
    if (!(error instanceof CeremonyError)) throw error;
    report({ event: 'enrolment-refused', subject, detail: error.message });
    return problemPage('The passkey was not accepted', 'Open the link again and try once more.');
  }
  report({ event: 'enrolled', subject, tenant });
  return page({
    title: 'Your passkey is ready',
    body: html`<h1>Your passkey is ready</h1>
<p>You can sign in as <b>${foreign(subject)}</b> from now on, whenever a client asks you to. You may close this page.</p>`,
  });
}
