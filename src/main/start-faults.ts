import type { Config } from '../control-plane/config/load.ts';
import type { ConfigError } from '../control-plane/config/problem.ts';

/** What a listener said (`listen EADDRINUSE: …`), with the key that asks for it; undefined: it was something else. */
export function notListening(text: string, config: Config, key: 'edge' | 'admin'): ConfigError | undefined {
  const [, code] = /\blisten (E[A-Z]+)/.exec(text) ?? [];
  if (code === undefined) return undefined;
  const { host, port } = config[key].listen;
  const known = new Map([
    ['EADDRINUSE', 'is taken by another program'],
    ['EADDRNOTAVAIL', 'is not an address of this machine'],
    ['EACCES', 'may not be listened on by this user'],
  ]);
  const message = `${host}:${port} ${known.get(code) ?? `cannot be listened on (${code})`}`;
  return config.fault({ path: [key, 'listen'], message, mend: 'choose another; port 0 takes any free one' });
}

/** What begins the message of a gateway that could not open its state store. */
export const STATE_STORE = 'state store: ';

/** What the state store said; undefined: it was something else. */
export function noStateStore(text: string, config: Config): ConfigError | undefined {
  if (!text.startsWith(STATE_STORE)) return undefined;
  const mend = 'start it, or name another; `memory` is for one gateway alone';
  return config.fault({ path: ['state'], message: text.slice(STATE_STORE.length), mend });
}

/** The result of `work`, unless `stopping` is aborted before: then its reason is thrown. */
export function unless<T>(stopping: AbortSignal, work: Promise<T>): Promise<T> {
  const told = new Promise<never>((_, reject) => {
    stopping.addEventListener('abort', () => reject(stopping.reason), { once: true });
  });
  return Promise.race([work, told]);
}
