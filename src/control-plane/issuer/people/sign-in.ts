import type { Interaction, Provider } from 'oidc-provider';
import { isEmbeddedSubject } from '../../../contract/identity.ts';
import type { IssuerAnswer, IssuerRequest } from '../../../contract/zone-link.ts';
import { COOKIE_NAMES, parse } from '../cookies.ts';
import { foreign, html } from '../pages/html.ts';
import { ceremonyForm, hidden, page, problemPage, STATUS } from '../pages/page.ts';
import { CeremonyError } from './ceremonies.ts';
import { consent, decide } from './consent.ts';
import { finish, see } from './finish.ts';
import { ForeignForm, formOf } from './forms.ts';
import type { PeopleDeps } from './people.ts';

/** OpenID EAP 1.0 §2: resistant to phishing. What was verified with it: possession, and the user (RFC 8176). */
const ACR = 'phr';
const AMR = ['pop', 'user', 'mfa'];

/** `/oauth/sign-in/ID`: the pages between a client's request and its code. Only the browser in which it began gets on. */
export async function signIn(
  deps: PeopleDeps,
  provider: Provider,
  request: IssuerRequest,
  id: string,
): Promise<IssuerAnswer> {
  const interaction = await provider.Interaction.find(id);
  const isOurs = parse(request.headers.cookie).get(`${COOKIE_NAMES.interaction}.${id}`) === id;
  if (interaction === undefined || !isOurs || !(await isCurrent(provider, interaction)))
    return problemPage(
      'This sign-in has ended',
      'It took too long, was begun in another browser, or is over. Start again from the client that sent you here.',
      404,
    );
  if (request.method === 'GET') return show(deps, provider, interaction);
  const fields = formOf(request, deps.origin);
  if (!deps.challenges.isGood(fields.get('csrf') ?? '', formPurpose(interaction)))
    throw new ForeignForm('no token of the page');
  if (fields.get('decision') === 'switch') return switchPerson(deps, interaction);
  return interaction.prompt.name === 'consent'
    ? decide(deps, provider, interaction, fields.get('decision'))
    : authenticate(deps, interaction, fields.get('credential') ?? '');
}

function show(deps: PeopleDeps, provider: Provider, interaction: Interaction): Promise<IssuerAnswer> {
  const csrf = deps.challenges.make(formPurpose(interaction));
  return interaction.prompt.name === 'consent'
    ? consent(deps, provider, interaction, csrf)
    : login(deps, provider, interaction, csrf);
}

async function login(
  { ceremonies }: PeopleDeps,
  provider: Provider,
  interaction: Interaction,
  csrf: string,
): Promise<IssuerAnswer> {
  const client = await provider.Client.find(String(interaction.params.client_id));
  const name = client?.clientName ?? String(interaction.params.client_id);
  const signedIn = interaction.session?.accountId;
  const options = await ceremonies.request(loginPurpose(interaction));
  const again =
    signedIn === undefined
      ? []
      : [
          html`<div class="as"><span>You are <b>${foreign(signedIn)}</b> here.</span>
<form method="post">${hidden({ csrf, decision: 'switch' })}<button class="link">Somebody else?</button></form></div>`,
        ];
  return page({
    title: 'Sign in',
    scripted: true,
    body: html`<h1>Sign in to continue</h1>
<p><b>${foreign(name)}</b> asks for access to your tools. First show that it is you; what it may do comes next.</p>
${ceremonyForm({ kind: 'get', options, label: 'Sign in with a passkey', fields: { csrf } })}${STATUS}${again}`,
  });
}

async function authenticate(
  { ceremonies, now, report }: PeopleDeps,
  interaction: Interaction,
  credential: string,
): Promise<IssuerAnswer> {
  try {
    const account = await ceremonies.verify(loginPurpose(interaction), credential);
    if (!isEmbeddedSubject(account.subject)) throw new CeremonyError(`${account.subject} signs in elsewhere`);
    const signedIn = interaction.session?.accountId;
    if (signedIn !== undefined && signedIn !== account.subject)
      return problemPage(
        'That is another account',
        `You are ${signedIn} here. Go back, and choose “Somebody else?” first.`,
      );
    const login = { accountId: account.subject, acr: ACR, amr: AMR, ts: Math.floor(now() / 1000) };
    report({ event: 'signed-in', subject: account.subject, client: String(interaction.params.client_id) });
    return finish(interaction, { login });
  } catch (error) {
    if (!(error instanceof CeremonyError)) throw error;
    report({ event: 'sign-in-refused', detail: error.message });
    return problemPage(
      'The passkey was not accepted',
      'Go back and try again, or ask your operator for a new invitation.',
      403,
    );
  }
}

/** The session ends, and the client's request begins anew without one. */
async function switchPerson({ artifacts }: PeopleDeps, interaction: Interaction): Promise<IssuerAnswer> {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(interaction.params))
    for (const one of [value].flat()) if (typeof one === 'string') params.append(name, one);
  await interaction.destroy();
  if (interaction.session !== undefined) artifacts.endSession(interaction.session.uid);
  return see(`${new URL(interaction.returnTo).pathname.replace(/\/[^/]+$/, '')}?${params}`);
}

/** A session that has changed hands since ends its sign-ins. */
async function isCurrent(provider: Provider, { session }: Interaction): Promise<boolean> {
  if (session?.uid === undefined) return true;
  return (await provider.Session.findByUid(session.uid))?.accountId === session.accountId;
}

function formPurpose({ uid, prompt, session }: Interaction): string {
  return JSON.stringify(['form', uid, prompt.name, session?.uid ?? '']);
}

function loginPurpose({ uid }: Interaction): string {
  return JSON.stringify(['sign-in', uid]);
}
