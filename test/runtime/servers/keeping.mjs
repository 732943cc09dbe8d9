// A server of 2025-11-25 that keeps state; what a call does is the value of its argument `echo`.
import { initialized, send, serve, text } from './wire.mjs';

let note = 'nothing';
const held = new Map();

function call(id, { arguments: { echo }, _meta }) {
  const [what, value] = echo.split(' ', 2);
  const progressToken = _meta?.progressToken;
  const tell = () => send({ method: 'notifications/progress', params: { progressToken, progress: 1 } });
  const done = (said) => send({ id, result: text(said) });
  if (what === 'crash') process.exit(7);
  if (what === 'crash-afterwards') setTimeout(() => process.exit(8), 20);
  if (what === 'note') note = value;
  if (what === 'hold') {
    held.set(value, { id, tell });
    send({ method: 'notifications/message', params: { level: 'info', data: `holds ${value}` } });
  } else if (what === 'let') {
    const other = held.get(value);
    other.tell();
    send({ id: other.id, result: text(`let ${value}`) });
    done('ok');
  } else if (what === 'ask') send({ id: `asked by ${id}`, method: 'roots/list' });
  else if (what === 'cancelled') done(held.get('cancelled') ?? 'none');
  else done(note);
}

serve((message) => {
  const { id, method, params, result } = message;
  if (method === 'initialize') initialized(id, { tools: {} }, 'keeping');
  else if (method === 'ping') send({ id, result: {} });
  else if (method === 'server/discover') send({ id, error: { code: -32601, message: 'Method not found' } });
  else if (method === 'tools/call') call(id, params);
  else if (method === 'notifications/cancelled') held.set('cancelled', String(params.requestId));
  else if (result !== undefined)
    send({ id: Number(id.replace('asked by ', '')), result: text(JSON.stringify(result)) });
});
