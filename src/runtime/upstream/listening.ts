import { isObject } from '../../contract/json.ts';
import { type Handshake, objectOf } from './handshake.ts';
import type { StdioSession } from './stdio.ts';
import { UpstreamFailure, type UpstreamListening } from './upstream.ts';

const TOLD = new Set(['notifications/resources/updated', 'notifications/resources/list_changed']);
/** Notifications, those that nobody listens for included, within so many milliseconds. */
const MAX_TOLD = 500;
const WINDOW = 10_000;

/**
 * Has a server tell of changes, in its own sandbox, until that is killed.
 * @param bound milliseconds until every subscription must have been accepted
 * @throws UpstreamFailure always: why the server tells no more
 */
export async function listenTo(
  session: StdioSession,
  { era }: Handshake,
  listening: UpstreamListening,
  bound: number,
): Promise<never> {
  let told = 0;
  const unready = setTimeout(() => session.fail(bad(`accepted no subscription within ${bound} ms`)), bound);
  const ready = () => {
    clearTimeout(unready);
    listening.ready();
  };
  const window = setInterval(() => {
    told = 0;
    session.renew();
  }, WINDOW);
  const notify = (raw: string, method: string) => {
    if (++told > MAX_TOLD) session.fail(bad(`told more than ${MAX_TOLD} things within ${WINDOW} ms`));
    else if (method === 'notifications/subscriptions/acknowledged') {
      if (acknowledged(raw, listening.uris)) ready();
      else session.fail(bad('did not accept every subscription'));
    } else if (TOLD.has(method)) listening.notify(raw);
  };
  try {
    if (era === 'modern') return await listenModern(session, listening.uris, notify);
    session.hear({ notify });
    for (const uri of listening.uris) await ask(session, 'resources/subscribe', { uri });
    ready();
    throw await session.ended;
  } finally {
    clearTimeout(unready);
    clearInterval(window);
  }
}

/** The request lasts as long as the subscription (MCP 2026-07-28, subscriptions/listen). */
async function listenModern(
  session: StdioSession,
  uris: readonly string[],
  notify: (raw: string, method: string) => void,
): Promise<never> {
  const notifications = { resourcesListChanged: true, resourceSubscriptions: uris };
  const params = Buffer.from(JSON.stringify({ notifications }));
  const caller = { capabilities: '{}', logLevel: undefined, notify };
  const { kind, raw } = await session.request('subscriptions/listen', params, 'modern', caller);
  throw bad(kind === 'error' ? `answered subscriptions/listen: ${raw.slice(0, 512)}` : 'ended the subscription');
}

async function ask(session: StdioSession, method: string, params: object): Promise<void> {
  const { kind, raw } = await session.request(method, Buffer.from(JSON.stringify(params)), 'legacy');
  if (kind === 'error') throw bad(`answered ${method}: ${raw.slice(0, 512)}`);
}

/** The server says which of the subscriptions it agrees to. */
function acknowledged(raw: string, uris: readonly string[]): boolean {
  const { params } = objectOf(raw);
  const agreed = isObject(params) && isObject(params.notifications) ? params.notifications.resourceSubscriptions : [];
  return uris.every((uri) => Array.isArray(agreed) && agreed.includes(uri));
}

function bad(what: string): UpstreamFailure {
  return new UpstreamFailure('upstream', `the server ${what}`);
}
