import type { Fetch } from '../control-plane/upstream-authorization/fetching.ts';
import type { OutboundOptions, openOutbound } from '../gateway/transport/outbound.ts';

const NO_BODY: ReadonlySet<number> = new Set([204, 205, 304]);

/** The hardened way out, as OAuth libraries want to call it: text in, text out, no redirect followed. */
export function outboundFetch(
  outbound: ReturnType<typeof openOutbound>,
  rules: Pick<OutboundOptions, 'trustedHost' | 'ca'>,
): Fetch {
  return async (url, { method, headers, body }) => {
    const post = { headers, body: String(body ?? '') };
    const answer = await outbound(url, { ...rules, ...(method === 'POST' && { post }) });
    const fields = new Headers();
    for (const [name, value] of Object.entries(answer.headers))
      for (const one of [value ?? []].flat()) fields.append(name, one);
    const content = NO_BODY.has(answer.status) ? null : new Uint8Array(answer.body);
    return new Response(content, { status: answer.status, headers: fields });
  };
}
