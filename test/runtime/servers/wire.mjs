// What the small servers here share: frames over standard input and output.
export const send = (message) => process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
export const text = (value) => ({ content: [{ type: 'text', text: String(value) }] });

/** Hands every message to `receive`, with its line. */
export function serve(receive) {
  let buffered = '';
  process.stdin.setEncoding('utf8').on('data', (chunk) => {
    buffered += chunk;
    for (let end = buffered.indexOf('\n'); end !== -1; end = buffered.indexOf('\n')) {
      const line = buffered.slice(0, end);
      buffered = buffered.slice(end + 1);
      receive(JSON.parse(line), line);
    }
  });
  process.stdin.on('end', () => process.exit(0));
}

/** Answers the handshake of an older server. */
export function initialized(id, capabilities, name, instructions) {
  const serverInfo = { name, version: '1' };
  send({ id, result: { protocolVersion: '2025-11-25', capabilities, serverInfo, instructions } });
}
