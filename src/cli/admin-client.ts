import { request } from 'node:http';
import { findPresence, type Presence } from '../control-plane/admin-api/presence.ts';

/** No `up` is running with this state directory, or it cannot be asked; exit code 2: 1 is a check that did not hold. */
export class NotRunning extends Error {
  readonly exitCode = 2;
}
/** The admin API refused; the message is the API's own; exit code 2 for a wish that was not sane. */
export class AdminRefusal extends Error {
  readonly status: number;
  readonly exitCode: number;
  /** The whole answer. */
  readonly answer: unknown;
  constructor(status: number, message: string, answer?: unknown) {
    super(message);
    this.status = status;
    this.answer = answer;
    this.exitCode = status === 400 ? 2 : 1;
  }
}

export interface AdminClient {
  readonly presence: Presence;
  /**
   * @param patience milliseconds until it counts as not running; default 10 s
   * @throws NotRunning, AdminRefusal
   */
  call(method: 'GET' | 'POST', path: string, body?: unknown, patience?: number): Promise<unknown>;
}

/** The admin API of the `up` that runs with this state directory. @throws NotRunning, StateError */
export function connectAdmin(stateDir: string): AdminClient {
  const found = findPresence(stateDir);
  if (!found)
    throw new NotRunning(
      `no innerkeep up is running with the state directory ${stateDir}; start one, or name its own with --state DIR`,
    );
  const { presence, secret } = found;
  return { presence, call: (...asked) => exchange(presence, secret, ...asked) };
}

function exchange(
  presence: Presence,
  secret: string,
  ...[method, path, body, patience = 10_000]: Parameters<AdminClient['call']>
): Promise<unknown> {
  const payload = body === undefined ? '' : JSON.stringify(body);
  return new Promise((settle, reject) => {
    const lost = () =>
      reject(
        new NotRunning(`innerkeep up (process ${presence.pid}) does not answer at ${presence.url}; start it again`),
      );
    const sent = request(new URL(path, presence.url), {
      method,
      agent: false,
      signal: AbortSignal.timeout(patience),
      headers: { authorization: `Bearer ${secret}`, ...(payload ? { 'content-type': 'application/json' } : {}) },
    });
    sent.on('error', lost);
    sent.on('response', (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (part: string) => {
        text += part;
      });
      answer.on('error', lost);
      answer.on('end', () => {
        try {
          const value: unknown = JSON.parse(text);
          if (answer.statusCode === 200) return settle(value);
          reject(new AdminRefusal(answer.statusCode ?? 0, messageOf(value), value));
        } catch {
          lost();
        }
      });
    });
    sent.end(payload);
  });
}

function messageOf(value: unknown): string {
  const named = typeof value === 'object' && value !== null && 'error' in value;
  return named && typeof value.error === 'string' ? value.error : 'refused';
}
