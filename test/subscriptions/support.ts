import type { Caller } from '../../src/contract/caller.ts';
import type { Clock } from '../../src/contract/clock.ts';
import { isObject } from '../../src/contract/json.ts';
import { Refusal } from '../../src/contract/refusal.ts';
import { type Soon, when } from '../../src/contract/soon.ts';
import { parseStrict } from '../../src/contract/strict-json.ts';
import {
  Admitted,
  Arrived,
  Authenticated,
  Confirmed,
  Framed,
  Limited,
  type Revision,
  type Subject,
} from '../../src/contract/tool-call.ts';
import type { UpstreamListening } from '../../src/contract/upstream.ts';
import { loadCedar } from '../../src/drivers/policy-engine/cedar/load.ts';
import { authorizeStage, decision, visibility } from '../../src/gateway/authorization/authorize.ts';
import { Histories } from '../../src/gateway/authorization/histories.ts';
import { createCatalogue } from '../../src/gateway/descriptors/catalogue.ts';
import { identifyStage } from '../../src/gateway/descriptors/identify.ts';
import { listDigests } from '../../src/gateway/descriptors/lists.ts';
import { createVisibility } from '../../src/gateway/descriptors/visibility.ts';
import { validateStage } from '../../src/gateway/input-validation/validate.ts';
import { redactJson } from '../../src/gateway/output-sanitization/redact-json.ts';
import { Subscriptions, type SubscriptionsDeps, type View } from '../../src/gateway/subscriptions/subscriptions.ts';
import { server } from '../edge/bench.ts';
import { historyUse, nobody } from '../policy/calls.ts';
import { worldWith } from '../policy/support.ts';
import { noEvents } from '../support/calls.ts';

/** Time that passes when a test says so. */
export class TestClock implements Clock {
  #now = 0;
  readonly #timers = new Set<{ readonly at: number; readonly run: () => void }>();

  now = (): number => this.#now;

  setTimer = (run: () => void, ms: number): (() => void) => {
    const timer = { at: this.#now + ms, run };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };

  get timers(): number {
    return this.#timers.size;
  }

  async pass(ms: number): Promise<void> {
    await settled();
    const end = this.#now + ms;
    for (;;) {
      const [next] = [...this.#timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (next === undefined) break;
      this.#timers.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
      await settled();
    }
    this.#now = end;
    await settled();
  }
}

/** Everything that waits for no clock has happened. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

interface Run {
  readonly server: string;
  readonly listening: UpstreamListening;
  readonly die: () => void;
}

/** Servers that tell of changes, and what they were asked for. */
export class Servers {
  readonly runs: Run[] = [];
  /** Every run that ever was. */
  started = 0;
  /** URIs that no server accepts, and whether it answers at all. */
  readonly refuses = new Set<string>();
  isMute = false;

  readonly listen = (name: string, listening: UpstreamListening): Promise<void> =>
    new Promise((resolve, reject) => {
      this.started++;
      const end = (settle: () => void) => {
        const at = this.runs.indexOf(run);
        if (at !== -1) this.runs.splice(at, 1);
        settle();
      };
      const run: Run = {
        server: name,
        listening,
        die: () => end(() => reject(new Refusal('upstream', 'the server has gone'))),
      };
      this.runs.push(run);
      listening.signal.addEventListener('abort', () => end(resolve));
      if (listening.uris.some((uri) => this.refuses.has(uri))) setImmediate(run.die);
      else if (!this.isMute) setImmediate(listening.ready);
    });

  tell(message: string | object): void {
    for (const { listening } of [...this.runs])
      listening.notify(typeof message === 'string' ? message : JSON.stringify(message));
  }

  update(uri: string, more: object = {}): void {
    this.tell({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri, ...more } });
  }
}

export function person(id: string, tenant = 'acme'): Subject {
  return { id, kind: 'User', tenant, groups: [], acr: undefined, authTime: undefined, key: id, tokenId: `token-${id}` };
}

export const [alice, bob] = [person('alice'), person('bob')];

export const permit = (who: string, action: string, when = '') =>
  `permit (principal == User::"${who}", action == Action::"${action}", resource == Tenant::"acme")${when};\n`;

/** The stages of one bundle between a message and its execution, as the product furnishes them. */
export function house(policies: string, servers = [server('files', ['read', 'write']), server('notes', ['read'])]) {
  const pins = servers.map((one) => one.pins);
  const { engine, problems } = loadCedar([{ file: 'test.cedar', text: policies }], worldWith(pins));
  const [broken] = problems.filter(({ severity }) => severity === 'error');
  if (broken !== undefined) throw new Error(broken.message);
  const now = () => 0;
  const authorization = { engine, servers, now, ipRisk: () => undefined };
  const byName = new Map(servers.map((one) => [one.pins.name, one]));
  const seen = visibility({ engine, now });
  const visible = (subject: Subject, action: string): Soon<boolean> => {
    const one = byName.get(action.split(/[/#]/, 1)[0] ?? '');
    return one !== undefined && seen(subject, action, one);
  };
  const catalogue = createCatalogue(servers);
  const shown = createVisibility(catalogue, visible);
  const decide = decision(authorization);
  const view: View = {
    lists: listDigests({ catalogue, visibility: shown, visible }),
    permits: (subject, { server: name, action, params }) =>
      when(decide(subject, name, action, { uri: params.uri ?? null }), ({ allow }) => allow),
  };
  const identify = identifyStage({ catalogue, visibility: shown, visible, decodeHeader: (value) => value });
  const validate = validateStage({ inputs: new Map() });
  const unasked = { clock: { now, setTimer: () => () => undefined }, confirm: () => Promise.reject() };
  const stage = authorizeStage({ ...authorization, ...unasked, histories: new Histories(now), historyUse });
  return {
    view,
    admit: async (call: Framed) => {
      const authorized = await stage(validate(await identify(call)), nobody);
      return new Admitted(new Limited(new Confirmed(authorized, undefined), undefined));
    },
  };
}

export interface Asked {
  readonly subject?: Subject;
  readonly path?: string | undefined;
  readonly revision?: Revision;
  readonly id?: string;
  readonly until?: number;
}

export function message(method: string, params: object, asked: Asked = {}): Framed {
  const { subject = alice, path, revision = '2025-11-25', id = '1', until = Number.MAX_SAFE_INTEGER } = asked;
  const arrived = new Arrived({
    incident: 'incident',
    at: 0,
    remote: '127.0.0.1',
    server: path,
    transport: 'streamable',
    httpMethod: 'POST',
    query: '',
    headers: {},
    body: () => Promise.resolve(new Uint8Array()),
    signal: new AbortController().signal,
    events: noEvents,
  } as unknown as Arrived);
  const paramsRaw = JSON.stringify(params);
  const { value } = parseStrict(Buffer.from(paramsRaw));
  if (!isObject(value)) throw new Error('params must be an object');
  const modern = revision === '2026-07-28';
  const frame = { revision, modern, id, response: undefined, method, params: value, paramsRaw };
  return new Framed(new Authenticated(arrived, subject, until), frame);
}

/** What a client has been told, in its order. */
export class Told {
  readonly messages: string[] = [];
  readonly notify = (text: string): void => {
    parseStrict(Buffer.from(text));
    this.messages.push(text);
  };

  /** `method uri` of each, and forgets them. */
  take(): string[] {
    return this.messages.splice(0).map((text) => {
      const { method, params } = JSON.parse(text) as { method: string; params?: { uri?: string } };
      return [method.replace('notifications/', ''), ...(params?.uri === undefined ? [] : [params.uri])].join(' ');
    });
  }
}

export class TestSession extends Told {
  readonly key = 'a session';
  readonly #end = new AbortController();
  readonly ended = this.#end.signal;
  readonly subject: Subject;
  readonly server: string | undefined;

  constructor(subject: Subject, path?: string) {
    super();
    this.subject = subject;
    this.server = path;
  }

  end(): void {
    this.#end.abort();
  }

  caller(signal: AbortSignal = new AbortController().signal): Caller {
    return { capabilities: {}, logLevel: undefined, signal, notify: this.notify, ask: undefined, session: this };
  }
}

export function open(watchTask: SubscriptionsDeps['watchTask'] = async () => undefined) {
  const clock = new TestClock();
  const servers = new Servers();
  const faults: unknown[] = [];
  const subscriptions = new Subscriptions({
    clock,
    listen: servers.listen,
    watchTask,
    redact: (json) => redactJson(json).json,
    fault: (error) => faults.push(error),
  });
  return { clock, servers, faults, subscriptions };
}

export type Opened = ReturnType<typeof open>;
