import type { IssuerRequest } from '../../../contract/zone-link.ts';

/** The form was not sent by a page of ours; the message is for the log. */
export class ForeignForm extends Error {}

/**
 * The fields of a form that our own page sent: same origin by the browser's own word (Fetch Metadata, RFC 6454), each
 * field once.
 * @throws ForeignForm
 */
export function formOf({ headers, body }: IssuerRequest, origin: string): ReadonlyMap<string, string> {
  if (headers.origin !== origin) throw new ForeignForm(`Origin: ${headers.origin ?? 'absent'}`);
  const site = headers['sec-fetch-site'];
  if (site !== undefined && site !== 'same-origin') throw new ForeignForm(`Sec-Fetch-Site: ${site}`);
  const type = headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'application/x-www-form-urlencoded') throw new ForeignForm(`Content-Type: ${type ?? 'absent'}`);
  const fields = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(body)) {
    if (fields.has(name)) throw new ForeignForm('a field twice');
    fields.set(name, value);
  }
  return fields;
}
