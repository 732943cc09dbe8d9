import { answer, fault, progress, run, serverInfo, tools } from './tools.mjs';

/** One connection or session of 2025-11-25: `receive` takes a message, and `send` what belongs to it. */
export function legacySession() {
  const asked = new Map();
  let last = 0;

  function peerOf({ _meta }, send) {
    return {
      progress: (at, message) => {
        if (_meta?.progressToken !== undefined) send(progress(_meta.progressToken, at, message));
      },
      ask(method, params) {
        const id = `ask-${++last}`;
        send({ jsonrpc: '2.0', id, method, params });
        return new Promise((resolve, reject) => asked.set(id, { resolve, reject }));
      },
    };
  }

  async function call({ id, params }, send) {
    try {
      const result = await run(params, peerOf(params, send));
      send(result === undefined ? fault(id, -32602, 'Unknown tool') : answer(id, result));
    } catch (error) {
      send(answer(id, { content: [{ type: 'text', text: `the client refused: ${error.code}` }], isError: true }));
    }
  }

  return async function receive(message, send) {
    const { id, method, params } = message;
    if (method === undefined) {
      const wish = asked.get(id);
      asked.delete(id);
      if (message.error === undefined) wish?.resolve(message.result);
      else wish?.reject(message.error);
    } else if (id === undefined) return;
    else if (method === 'initialize')
      send(answer(id, { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo }));
    else if (method === 'ping') send(answer(id, {}));
    else if (method === 'tools/list') send(answer(id, { tools }));
    else if (method === 'tools/call') await call({ id, params }, send);
    else send(fault(id, -32601, 'Method not found'));
  };
}
