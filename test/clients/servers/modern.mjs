import { answer, fault, progress, run, serverInfo, tools } from './tools.mjs';

const KEY = 'io.modelcontextprotocol/';
const REVISION = '2026-07-28';
const NEEDED = { 'elicitation/create': 'elicitation', 'sampling/createMessage': 'sampling', 'roots/list': 'roots' };

class InputRequired {
  constructor(method, params) {
    this.inputRequests = { answer: { method, params } };
  }
}

/** Answers one request of 2026-07-28; each stands alone, and `send` takes what belongs to it. */
export async function receive({ id, method, params = {} }, send) {
  if (id === undefined) return;
  const { _meta = {} } = params;
  const requested = _meta[`${KEY}protocolVersion`];
  if (requested !== REVISION)
    send(fault(id, -32022, 'Unsupported protocol version', { supported: [REVISION], requested: requested ?? '' }));
  else if (method === 'server/discover')
    send(
      answer(id, {
        ...complete({ supportedVersions: [REVISION], capabilities: { tools: {} } }),
        ttlMs: 0,
        cacheScope: 'private',
      }),
    );
  else if (method === 'tools/list') send(answer(id, { ...complete({ tools }), ttlMs: 0, cacheScope: 'private' }));
  else if (method === 'tools/call') await call(id, params, send);
  else send(fault(id, -32601, 'Method not found'));
}

const complete = (result) => ({ resultType: 'complete', ...result, _meta: { [`${KEY}serverInfo`]: serverInfo } });

async function call(id, params, send) {
  const state = `state of ${params.name}`;
  if (params.requestState !== undefined && params.requestState !== state)
    return send(fault(id, -32602, 'A requestState that this server did not make'));
  let given = params.inputResponses?.answer;
  const { progressToken, [`${KEY}clientCapabilities`]: capabilities = {} } = params._meta;
  const peer = {
    // What the first round has told is not told again.
    progress: (at, message) => {
      if (progressToken !== undefined && given === undefined) send(progress(progressToken, at, message));
    },
    ask(method, wish) {
      if (given === undefined) throw new InputRequired(method, wish);
      const response = given;
      given = undefined;
      return response;
    },
  };
  try {
    const result = await run(params, peer);
    send(result === undefined ? fault(id, -32602, 'Unknown tool') : answer(id, complete(result)));
  } catch (thrown) {
    if (!(thrown instanceof InputRequired)) throw thrown;
    const { inputRequests } = thrown;
    const needed = NEEDED[inputRequests.answer.method];
    if (capabilities[needed] === undefined)
      send(fault(id, -32021, 'Missing required client capability', { requiredCapabilities: { [needed]: {} } }));
    else send(answer(id, { resultType: 'input_required', inputRequests, requestState: state }));
  }
}
