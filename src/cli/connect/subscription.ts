import { isAnswer, type Message, notification, readOne } from './message.ts';
import { messages, Position } from './messages.ts';
import type { Flight, Relay } from './relay.ts';
import type { Reply, Wire } from './wire.ts';

const ACKNOWLEDGED = 'notifications/subscriptions/acknowledged';
const LISTS = [
  ['toolsListChanged', 'tools'],
  ['promptsListChanged', 'prompts'],
  ['resourcesListChanged', 'resources'],
] as const;

/**
 * `subscriptions/listen` (MCP 2026-07-28). No stream of the gateway's outlives its token, the client's subscription
 * does: one that ended when the token was replaced is asked for again, and the client is told that all that it
 * subscribed to may have changed meanwhile.
 * @param send posts the client's request, as often as it is called
 */
export async function subscribe(send: () => Promise<Reply>, flight: Flight, wire: Wire, relay: Relay): Promise<void> {
  let last: string | undefined;
  for (let again = false; ; again = true) {
    const token = await wire.token();
    const reply = await send();
    if (reply.statusCode >= 400 && !again) return relay.refused(reply, flight);
    if (reply.statusCode >= 400) {
      await reply.body.dump();
      break;
    }
    last = undefined;
    for await (const text of messages(reply, new Position())) {
      const message = readOne(text);
      if (message !== undefined && isAnswer(message)) last = text;
      else if (again && message?.method === ACKNOWLEDGED) for (const news of missed(message)) await relay.out(news);
      else await relay.out(text, flight);
    }
    if (flight.signal.aborted || token === (await wire.token())) break;
  }
  if (last !== undefined) return relay.out(last, flight);
  // Over stdio a server ends a subscription by cancelling the request that made it.
  for (const requestId of flight.open) {
    flight.settle(requestId);
    await relay.out(notification('notifications/cancelled', { requestId, reason: 'The stream ended' }));
  }
}

/** What an acknowledged subscription would have told, had everything changed. */
function missed({ params }: Message): readonly string[] {
  const { notifications: { resourceSubscriptions: uris = [], ...lists } = {}, _meta } = params ?? {};
  const changed = LISTS.filter(([member]) => lists[member] === true);
  return [
    ...changed.map(([, list]) => notification(`notifications/${list}/list_changed`, { _meta })),
    ...uris.map((uri) => notification('notifications/resources/updated', { uri, _meta })),
  ];
}
