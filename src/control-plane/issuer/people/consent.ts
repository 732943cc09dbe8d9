import type { Interaction, Provider } from 'oidc-provider';
import type { IssuerAnswer } from '../../../contract/zone-link.ts';
import { foreign, type Html, html } from '../pages/html.ts';
import { hidden, page } from '../pages/page.ts';
import { finish } from './finish.ts';
import type { PeopleDeps } from './people.ts';

/** What a scope lets a client do, in a person's words. */
export const SCOPES: Readonly<Record<string, string>> = {
  mcp: 'Use tools in your name, as far as policy permits',
  openid: 'Know your name here',
  offline_access: 'Stay connected while you are away',
};

/** Who asks, for what, in whose name, and where the answer goes: all of it before anything is given. */
export async function consent(
  { accounts }: PeopleDeps,
  provider: Provider,
  interaction: Interaction,
  csrf: string,
): Promise<IssuerAnswer> {
  const { client_id: id, redirect_uri: redirect, resource } = interaction.params;
  const client = await provider.Client.find(String(id));
  const account = accounts.find(interaction.session?.accountId ?? '');
  if (client === undefined || account === undefined) throw new Error('a consent without client or account');
  const name = client.clientName ?? client.clientId;
  const destination = destinationOf(String(redirect));
  const scopes = scopesOf(interaction).map((scope) => html`<li>${SCOPES[scope] ?? scope}</li>`);
  const choice = (decision: string, kind: string, label: string) =>
    html`<form method="post">${hidden({ csrf, decision })}<button class="${kind}">${label}</button></form>`;
  return page({
    title: 'Allow access',
    leadsTo: destination.source,
    body: html`<h1>Allow ${foreign(name)} to use your tools?</h1>
<p>Go on only if you began this yourself, just now. A name can be anybody’s; look where you are sent afterwards.</p>
<dl><div><dt>Client</dt><dd>${identity(client.clientId)}</dd></div>
<div><dt>It may</dt><dd><ul>${scopes}</ul></dd></div>
<div><dt>At</dt><dd>${[resource].flat().map((one) => html`${foreign(String(one))} `)}</dd></div>
<div><dt>Then to</dt><dd><b>${foreign(destination.shown)}</b><small>${destination.means}</small></dd></div></dl>
<div class="actions">${choice('deny', 'plain', 'Deny')}${choice('allow', 'key', 'Allow')}</div>
<div class="as"><span>Signed in as <b>${foreign(account.subject)}</b> of ${foreign(account.tenant)}.</span>
<form method="post">${hidden({ csrf, decision: 'switch' })}<button class="link">Somebody else?</button></form></div>`,
  });
}

export async function decide(
  { report }: PeopleDeps,
  provider: Provider,
  interaction: Interaction,
  decision: string | undefined,
): Promise<IssuerAnswer> {
  const { client_id, resource } = interaction.params;
  const [subject, client] = [interaction.session?.accountId ?? '', String(client_id)];
  if (decision !== 'allow') {
    report({ event: 'consent-denied', subject, client });
    return finish(interaction, { error: 'access_denied', error_description: 'the person said no' });
  }
  // One grant for one consent: to withdraw one takes nothing from another.
  const grant = new provider.Grant({ accountId: subject, clientId: client });
  const scopes = scopesOf(interaction);
  grant.addOIDCScope(scopes.filter((scope) => scope !== 'mcp').join(' '));
  for (const one of [resource].flat()) grant.addResourceScope(String(one), scopes.join(' '));
  report({ event: 'consented', subject, client });
  return finish(interaction, { consent: { grantId: await grant.save() } });
}

function scopesOf({ params }: Interaction): readonly string[] {
  return String(params.scope ?? '')
    .split(' ')
    .filter((scope) => Object.hasOwn(SCOPES, scope));
}

function identity(clientId: string): Html {
  if (!URL.canParse(clientId)) return html`${foreign(clientId)}<small>registered by your operator</small>`;
  return html`<b>${foreign(new URL(clientId).host)}</b><small>${foreign(clientId)}</small>`;
}

/** Where a redirect leads, and the CSP source by which the form's answer may lead there. */
function destinationOf(redirect: string): { readonly shown: string; readonly means: string; readonly source: string } {
  const { protocol, host, hostname, origin } = new URL(redirect);
  if (protocol !== 'https:' && protocol !== 'http:')
    return { shown: protocol, means: 'an app on this device that has claimed this kind of link', source: protocol };
  const isHere = /^(localhost|127\.0\.0\.1|\[::1\])$/.test(hostname);
  return { shown: host, means: isHere ? 'a program on this device' : 'a website', source: origin };
}
