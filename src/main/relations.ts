import { resolve } from 'node:path';
import type { Config } from '../control-plane/config/load.ts';
import { readSecret } from '../control-plane/pki/state-files.ts';
import { RelationsFollower } from '../control-plane/relations/follower.ts';
import { type AskStore, OpenFgaStore, RelationsFault } from '../control-plane/relations/openfga.ts';
import { openOutbound } from '../gateway/transport/outbound.ts';
import { clock } from './clock.ts';
import { log, textOf } from './log.ts';

/**
 * Follows the store of relations that the configuration names; undefined: it names none.
 * @throws ConfigError when it cannot be read: who is in which groups must be known before anything is served
 */
export async function followRelations(config: Config, changed: () => void): Promise<RelationsFollower | undefined> {
  const settings = config.relations?.openfga;
  if (settings === undefined) return undefined;
  const fault = (message: string) => config.fault({ path: ['relations', 'openfga'], message });
  if (config.opa !== undefined) throw fault('tuples are Cedar’s: with OPA, groups come with tokens alone');
  const { token_file: tokenFile } = settings;
  const token = tokenFile === undefined ? undefined : readSecret(resolve(config.directory, tokenFile))?.trim();
  if (tokenFile !== undefined && token === undefined) throw fault(`${tokenFile} is not there`);
  const ask = askStore(settings.url, token);
  const follower = new RelationsFollower({
    store: new OpenFgaStore(ask, settings.store, Date.now),
    ...{ settings, clock, changed },
    alert: (detail) =>
      log({ event: 'alert', about: 'relations', ...(detail === undefined ? { over: true } : { alert: true, detail }) }),
  });
  try {
    await follower.start();
  } catch (error) {
    if (error instanceof RelationsFault) throw fault(error.message);
    throw error;
  }
  return follower;
}

/** @param token preshared key */
export function askStore(url: string, token: string | undefined): AskStore {
  const outbound = openOutbound();
  const base = url.replace(/\/$/, '');
  const rules = { trustedHost: new URL(url).hostname, ca: undefined };
  const authorization: Readonly<Record<string, string>> =
    token === undefined ? {} : { authorization: `Bearer ${token}` };
  return async (path, body) => {
    const post = body && {
      headers: { ...authorization, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    };
    try {
      const answer = await outbound(`${base}${path}`, { ...rules, headers: authorization, ...(post && { post }) });
      if (answer.status !== 200) throw new RelationsFault(`it answers ${answer.status}`);
      return JSON.parse(Buffer.from(answer.body).toString());
    } catch (error) {
      throw error instanceof RelationsFault ? error : new RelationsFault(textOf(error));
    }
  };
}
