import assert from 'node:assert/strict';
import type { Answer, Json, Wire, Wish } from './wire.ts';

const LEGACY = '2025-11-25';
const MODERN = '2026-07-28';
const META = 'io.modelcontextprotocol/';
const CAPABILITIES = { elicitation: { form: {} } };
const ACCEPTED = { action: 'accept', content: { approve: true, note: 'go' } };
const DEPLOYED = 'deployed to production: {"approve":true,"note":"go"}';

/** The last message of an answer. */
export async function end({ messages }: Answer): Promise<Json> {
  let last: Json;
  for await (const message of messages) last = message;
  return last;
}

/** A session of 2025-11-25, from one replica to the next. */
export class LegacySession {
  readonly #wire: Wire;
  readonly id: string;
  /** Id of the newest request. */
  last = 0;

  static async open(wire: Wire): Promise<LegacySession> {
    const params = { protocolVersion: LEGACY, capabilities: CAPABILITIES, clientInfo: { name: 'test', version: '1' } };
    const answer = await wire.send({ id: 0, method: 'initialize', params });
    const id = answer.headers['mcp-session-id'];
    assert.deepEqual([answer.status, typeof id], [200, 'string']);
    await end(answer);
    const session = new LegacySession(wire, String(id));
    assert.equal((await session.send({ method: 'notifications/initialized' })).status, 202);
    return session;
  }

  constructor(wire: Wire, id: string) {
    this.#wire = wire;
    this.id = id;
  }

  send(body: object | undefined, { headers, ...wish }: Wish = {}): Promise<Answer> {
    const own = { 'mcp-session-id': this.id, 'mcp-protocol-version': LEGACY };
    return this.#wire.send(body, { ...wish, headers: { ...own, ...headers } });
  }

  request(method: string, params: object = {}, wish: Wish = {}): Promise<Answer> {
    return this.send({ id: ++this.last, method, params }, wish);
  }

  async result(method: string, params: object = {}): Promise<Json> {
    const message = await end(await this.request(method, params));
    assert.notEqual(message?.result, undefined, JSON.stringify(message));
    return message.result;
  }

  call(name: string, args: object, wish: Wish = {}): Promise<Answer> {
    return this.request('tools/call', { name, arguments: args, _meta: { progressToken: 'p' } }, wish);
  }

  /** A response to what the server asked. */
  async answer({ id }: Json, result: object = ACCEPTED): Promise<void> {
    assert.equal((await this.send({ id, result })).status, 202);
  }

  async listen(lastEventId?: string): Promise<Answer> {
    return this.send(undefined, { method: 'GET', headers: { 'last-event-id': lastEventId } });
  }

  async delete(at?: number): Promise<number> {
    return (await this.send(undefined, { method: 'DELETE', ...(at !== undefined && { at }) })).status;
  }
}

export const text = ({ content }: Json): string => content.map((part: Json) => part.text).join('');

/** initialize, list, call, a form in mid-call whose stream is lost and resumed, delete; each at another replica. */
export async function legacyAttempt(wire: Wire, server: string): Promise<void> {
  const session = await LegacySession.open(wire);
  const { tools } = await session.result('tools/list');
  assert.ok(tools.some(({ name }: Json) => name === `${server}__echo`));
  const echoed = await session.result('tools/call', { name: `${server}__echo`, arguments: { text: 'hello' } });
  assert.equal(text(echoed), 'hello');

  const call = await session.call(`${server}__deploy`, { to: 'production' });
  let question: Json;
  for await (const message of call.messages) {
    question = message;
    if (message.method === 'elicitation/create') break;
  }
  assert.equal(question?.method, 'elicitation/create');
  call.cut();
  await session.answer(question);
  const rest = await session.listen(call.lastEventId());
  const said = [];
  for await (const message of rest.messages) said.push(message);
  assert.equal(text(said.at(-1)?.result), DEPLOYED, JSON.stringify(said));
  assert.ok(said.some(({ method }) => method === 'notifications/progress'));

  assert.equal(await session.delete(), 204);
  for (let replica = 0; replica < 3; replica++) assert.equal((await session.request('ping')).status, 404);
}

/** One request of 2026-07-28. */
export function modern(wire: Wire, method: string, params: object, more: object = {}, at?: number): Promise<Answer> {
  const { name, taskId, uri } = params as { readonly name?: string; readonly taskId?: string; readonly uri?: string };
  const envelope = {
    [`${META}protocolVersion`]: MODERN,
    [`${META}clientInfo`]: { name: 'test', version: '1' },
    [`${META}clientCapabilities`]: { ...CAPABILITIES, ...more },
  };
  const headers = { 'mcp-protocol-version': MODERN, 'mcp-method': method, 'mcp-name': name ?? taskId ?? uri };
  return wire.send(
    { id: 1, method, params: { ...params, _meta: envelope } },
    { headers, ...(at !== undefined && { at }) },
  );
}

/** What a request was answered with; anything else fails the test. */
export async function result(answer: Promise<Answer>): Promise<Json> {
  const message = await end(await answer);
  assert.notEqual(message?.result, undefined, JSON.stringify(message));
  return message.result;
}

/** discover, list, call, a form in several round trips; each at another replica. */
export async function modernAttempt(wire: Wire, server: string): Promise<void> {
  await result(modern(wire, 'server/discover', {}));
  const { tools } = await result(modern(wire, 'tools/list', {}));
  assert.ok(tools.some(({ name }: Json) => name === `${server}__echo`));
  const echoed = await result(modern(wire, 'tools/call', { name: `${server}__echo`, arguments: { text: 'hello' } }));
  assert.equal(text(echoed), 'hello');

  const call = { name: `${server}__deploy`, arguments: { to: 'production' } };
  const wanted = await result(modern(wire, 'tools/call', call));
  assert.equal(wanted.resultType, 'input_required');
  const [key = ''] = Object.keys(wanted.inputRequests);
  const { requestState } = wanted;
  const deployed = await result(
    modern(wire, 'tools/call', { ...call, inputResponses: { [key]: ACCEPTED }, requestState }),
  );
  assert.equal(text(deployed), DEPLOYED);
}

/** So many attempts of both eras, at servers of both eras, some at a time; gives why those that failed did. */
export async function attempts(wires: readonly Wire[], many: number): Promise<readonly string[]> {
  const failed: string[] = [];
  let next = 0;
  const work = async (wire: Wire): Promise<void> => {
    for (let at = next++; at < many; at = next++) {
      const [attempt, server] = [at % 2 === 0 ? legacyAttempt : modernAttempt, at % 4 < 2 ? 'old' : 'new'];
      await attempt(wire, server).catch((error: Error) => failed.push(`${attempt.name} ${server}: ${error.message}`));
    }
  };
  await Promise.all(wires.map(work));
  return failed;
}
