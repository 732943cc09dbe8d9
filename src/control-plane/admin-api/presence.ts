import { randomBytes, timingSafeEqual } from 'node:crypto';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { privateDirectory, readSecret, replaceFile, stateDirectory } from '../pki/state-files.ts';

const presence = z.strictObject({
  url: z.string(),
  pid: z.number().int().positive(),
  mcp: z.string(),
  issuer: z.string(),
  ca: z.string(),
});

/** Where a running `up` is found: `run/admin.json` in the state directory. */
export type Presence = z.infer<typeof presence>;

const runFile = (stateDir: string, name: string) => join(stateDir, 'run', name);

/** 256 bits, base64url; made anew at each start, so that one that leaks or is sent astray is soon worth nothing. */
export function makeAdminSecret(): string {
  return randomBytes(32).toString('base64url');
}

/** Compares in constant time; lengths are no secret. */
export function sameSecret(given: string, secret: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(secret)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** Lets commands on this machine find the running zones and prove who they are. @throws StateError */
export function announce(stateDir: string, found: Presence, secret: string): void {
  privateDirectory(join(stateDirectory(stateDir), 'run'));
  replaceFile(runFile(stateDir, 'admin.secret'), `${secret}\n`);
  replaceFile(runFile(stateDir, 'admin.json'), `${JSON.stringify(found)}\n`);
}

/** Takes the announcement back, if it is still this process's own; what cannot be read any more is left alone. */
export function withdraw(stateDir: string, pid: number): void {
  try {
    if (findPresence(stateDir)?.presence.pid !== pid) return;
  } catch {
    return;
  }
  rmSync(runFile(stateDir, 'admin.json'), { force: true });
  rmSync(runFile(stateDir, 'admin.secret'), { force: true });
}

/** What was announced; undefined when nothing (readable) was. @throws StateError when others may read the secret */
export function findPresence(stateDir: string): { readonly presence: Presence; readonly secret: string } | undefined {
  const [text, secret] = [readSecret(runFile(stateDir, 'admin.json')), readSecret(runFile(stateDir, 'admin.secret'))];
  if (text === undefined || secret === undefined) return undefined;
  try {
    return { presence: presence.parse(JSON.parse(text)), secret: secret.trim() };
  } catch {
    return undefined;
  }
}
