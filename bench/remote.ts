// What the client of remote servers costs by itself: CPU per call, with the connection taken out (its answer is there in
// the next turn), for both eras.
import { Dispatcher } from 'undici';
import { encodeLegacy, encodeModern } from '../src/runtime/upstream/http/encode.ts';
import { Exchange } from '../src/runtime/upstream/http/exchange.ts';
import { headersOf } from '../src/runtime/upstream/http/headers.ts';
import { SideChannel } from '../src/runtime/upstream/http/side.ts';
import { Watch } from '../src/runtime/upstream/http/watch.ts';
import { HeldCalls, StreamCount, type Wire } from '../src/runtime/upstream/http/wire.ts';
import { StaleLists } from '../src/runtime/upstream/stale-lists.ts';

const ROUNDS = 9;
const CALLS = 20_000;
const TEXT = 'How much does it cost to say so?';
const RESPONSE = { 'content-type': 'application/json', connection: 'keep-alive', 'keep-alive': 'timeout=5' };

let id = 0;

class Answering extends Dispatcher {
  override dispatch(_: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const asked = id;
    queueMicrotask(() => {
      handler.onRequestStart?.(CONTROLLER, {});
      handler.onResponseStart?.(CONTROLLER, 200, RESPONSE, 'OK');
      const result = `{"content":[{"type":"text","text":"${TEXT}"}]}`;
      handler.onResponseData?.(CONTROLLER, Buffer.from(`{"jsonrpc":"2.0","id":${asked},"result":${result}}`));
      handler.onResponseEnd?.(CONTROLLER, {});
    });
    return true;
  }
}

const CONTROLLER: Dispatcher.DispatchController = {
  aborted: false,
  paused: false,
  reason: null,
  abort: () => {},
  pause: () => {},
  resume: () => {},
};
const answering = new Answering();
const target = { calls: answering, side: answering, streams: answering, path: '/mcp' };
const wire: Wire = {
  target,
  watch: new Watch(),
  side: new SideChannel(target),
  held: new HeldCalls(),
  streams: new StreamCount(),
  stale: new StaleLists(),
  maxResult: 4 << 20,
  nextId: () => ++id,
};
const params = Buffer.from(`{"name":"echo","arguments":{"text":"${TEXT}"}}`);
const { signal } = new AbortController();
const call = { method: 'tools/call', params, capabilities: '{}', logLevel: undefined, headers: [] };
const base = headersOf('2025-11-25', undefined);

function once(modern: boolean): Promise<unknown> {
  const own = wire.nextId();
  const { headers, body } = modern
    ? encodeModern(own, call, base)
    : { headers: base, body: encodeLegacy(own, call.method, params) };
  const asking = { id: own, headers, body, deadline: 30_000, modern, call: undefined, signal };
  return new Promise((resolve, reject) => new Exchange(wire, asking, resolve, reject).start());
}

for (const modern of [false, true]) {
  const costs: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = process.cpuUsage();
    for (let n = 0; n < CALLS; n++) await once(modern);
    const { user, system } = process.cpuUsage(before);
    costs.push((user + system) / CALLS);
  }
  costs.sort((a, b) => a - b);
  const [least, median] = [costs[0]?.toFixed(2), costs[costs.length >> 1]?.toFixed(2)];
  console.log(`${modern ? '2026-07-28' : '2025-11-25'}: ${median} µs CPU per call (least ${least})`);
}
