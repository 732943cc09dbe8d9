// Servers of one era or of both; the first argument says which, the second is a file that each start is noted in.
import { appendFileSync } from 'node:fs';
import { initialized, send, serve, text } from './wire.mjs';

const [manners, file] = process.argv.slice(2);
const ENVELOPE = 'io.modelcontextprotocol/';
const modern = ['dual', 'slow-dual', 'modern', 'modern-asks', 'listens-modern', 'agrees-to-less', 'hangs-up'].includes(
  manners,
);
const legacy = !['modern', 'modern-asks'].includes(manners);
const levels = [];
const subscribed = [];
let greeting = {};
let call;

const updated = (uri, more = {}) => send({ method: 'notifications/resources/updated', params: { uri, ...more } });

function listen(id, { notifications }) {
  const uris = notifications.resourceSubscriptions;
  const agreed = manners === 'agrees-to-less' ? uris.slice(1) : uris;
  send({
    method: 'notifications/subscriptions/acknowledged',
    params: { notifications: { ...notifications, resourceSubscriptions: agreed } },
  });
  for (const uri of agreed) updated(uri, { _meta: { [`${ENVELOPE}subscriptionId`]: id } });
  if (manners === 'hangs-up') send({ id, result: { resultType: 'complete' } });
}

function subscribe(id, uri) {
  if (manners === 'refuses-to-tell') return send({ id, error: { code: -32601, message: 'Method not found' } });
  subscribed.push(uri);
  send({ id, result: {} });
  if (uri !== 'test://last') return;
  send({ method: 'notifications/message', params: { level: 'info', data: 'not what was asked for' } });
  if (manners === 'floods') for (let at = 0; at <= 500; at++) updated(uri);
  if (manners === 'leaves') process.exit(5);
  for (const each of subscribed) updated(each);
  send({ method: 'notifications/resources/list_changed' });
}

const note = (what) => file && appendFileSync(file, `${what}\n`);

// Longer than anybody waits for an answer to `server/discover` before `initialize` follows it.
if (manners === 'slow-dual') await new Promise((resolve) => setTimeout(resolve, 2500));

serve((message) => {
  const { id, method, params = {} } = message;
  const enveloped = params._meta?.[`${ENVELOPE}protocolVersion`] !== undefined;
  if (method === 'server/discover') {
    note('discover');
    if (manners === 'dies-of-it') process.exit(9);
    if (manners === 'mute') return;
    const result = { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities: { tools: {} } };
    send(modern ? { id, result } : { id, error: { code: -32601, message: 'Method not found' } });
  } else if (method === 'initialize') {
    note('initialize');
    greeting = params;
    if (legacy) initialized(id, { tools: {}, ...(manners === 'logs' && { logging: {} }) }, manners);
    else send({ id, error: { code: -32022, message: 'Unsupported protocol version' } });
  } else if (method === 'logging/setLevel') {
    levels.push(params.level);
    send({ id, result: {} });
  } else if (method === 'subscriptions/listen') listen(id, params);
  else if (method === 'resources/subscribe') subscribe(id, params.uri);
  else if (method === 'ping' && manners !== 'mute') send({ id, result: {} });
  else if (method === 'tools/call') {
    call = id;
    if (manners === 'modern-asks') send({ id: 'q', method: 'sampling/createMessage', params: {} });
    else send({ id, result: text(JSON.stringify({ enveloped, meta: params._meta, levels, greeting })) });
  } else if (id === 'q') send({ id: call, result: text(JSON.stringify(message.error ?? message.result)) });
});
