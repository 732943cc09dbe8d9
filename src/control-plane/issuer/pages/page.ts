import { randomBytes } from 'node:crypto';
import type { IssuerAnswer } from '../../../contract/zone-link.ts';
import { Html, html } from './html.ts';
import { SCRIPT } from './script.ts';
import { STYLE } from './style.ts';

export interface Page {
  readonly title: string;
  readonly body: Html;
  readonly status?: number;
  /** Has a form with a ceremony, and so the one script. */
  readonly scripted?: boolean;
  readonly wide?: boolean;
  /** Where the browser goes on to by itself. */
  readonly refresh?: string;
  /** Where the answer to a form may lead beyond ourselves: a CSP source, made by us. */
  readonly leadsTo?: string;
}

/** A keep's gate with a keyhole. */
const MARK = new Html(
  '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.9" stroke-linejoin="round" aria-hidden="true">' +
    '<path d="M4 21V4h3.2v2.6h3.2V4h3.2v2.6h3.2V4H20v17z"/><circle cx="12" cy="12.6" r="1.7" fill="currentColor" stroke="none"/>' +
    '<path d="M12 13.5V17" stroke-linecap="round"/></svg>',
);

/**
 * A whole page under a policy that lets nothing in: no frame, no base, nothing from elsewhere, no script but ours
 * (CSP Level 3, nonces). What it shows is kept by no cache and named to no other site.
 */
export function page({
  title,
  body,
  status = 200,
  scripted = false,
  wide = false,
  leadsTo = '',
  refresh,
}: Page): IssuerAnswer {
  const nonce = randomBytes(16).toString('base64');
  const onward = refresh === undefined ? [] : [html`<meta http-equiv="refresh" content="0; url=${refresh}">`];
  const whole = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>${title} · innerkeep</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">${onward}
<style nonce="${nonce}">${new Html(STYLE)}</style></head>
<body><main${new Html(wide ? ' class="wide"' : '')}><div class="brand">${MARK}<span>innerkeep</span></div>${body}</main>
${new Html(scripted ? `<script type="module" nonce="${nonce}">${SCRIPT}</script>` : '')}</body></html>
`;
  const policy = [
    "default-src 'none'",
    `style-src 'nonce-${nonce}'`,
    ...(scripted ? [`script-src 'nonce-${nonce}'`] : []),
    `form-action 'self'${leadsTo === '' ? '' : ` ${leadsTo}`}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
  ];
  return {
    status,
    headers: {
      'content-type': 'text/html; charset=utf-8',
      'content-security-policy': policy.join('; '),
      'x-frame-options': 'DENY',
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
      'cross-origin-resource-policy': 'same-origin',
      'permissions-policy': 'publickey-credentials-get=(self), publickey-credentials-create=(self)',
      'cache-control': 'no-store',
    },
    body: whole.text,
  };
}

/** A form whose button asks an authenticator. */
export function ceremonyForm(form: {
  readonly kind: 'create' | 'get';
  /** JSON. */
  readonly options: string;
  readonly label: string;
  readonly fields: Readonly<Record<string, string>>;
}): Html {
  return html`<form method="post" data-ceremony="${form.kind}" data-options="${form.options}">${hidden(form.fields)}
<input type="hidden" name="credential"><button class="key" disabled>${form.label}</button></form>`;
}

/** After the forms: what the script has to say is read out (WAI-ARIA `status`). */
export const STATUS: Html = new Html(
  '<p>Your device asks for your fingerprint, your face or its PIN, and keeps them to itself.</p>' +
    '<p class="status note" role="status"></p><noscript><p class="note">Passkeys need JavaScript. This page runs one script, of its own.</p></noscript>',
);

export function hidden(fields: Readonly<Record<string, string>>): readonly Html[] {
  return Object.entries(fields).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`);
}

/** What went wrong, in words that anybody may read. */
export function problemPage(title: string, text: string, status = 400): IssuerAnswer {
  return page({ title, status, body: html`<h1>${title}</h1><p>${text}</p>` });
}
