import { join } from 'node:path';
import { z } from 'zod';
import { readSecret, replaceFile, StateError } from '../pki/state-files.ts';

/** Token id → seconds since the epoch until which it must stay on the list. */
const stored = z.record(z.string().min(1).max(256), z.number().int().positive());

export interface Revocations {
  /** On disk when it returns. */
  add(jti: string, until: number): void;
  /** Ids that have not lapsed. */
  current(): readonly string[];
}

/** The ids of revoked tokens, kept across restarts. @throws StateError when the file cannot be understood */
export function openRevocations(directory: string, now: () => number): Revocations {
  const file = join(directory, 'revoked.json');
  const entries = new Map(Object.entries(read(file)));
  const prune = () => {
    for (const [jti, until] of entries) if (until * 1000 <= now()) entries.delete(jti);
  };
  return {
    add(jti, until) {
      prune();
      entries.set(jti, Math.max(until, entries.get(jti) ?? 0));
      replaceFile(file, `${JSON.stringify(Object.fromEntries(entries))}\n`);
    },
    current() {
      prune();
      return [...entries.keys()];
    },
  };
}

function read(file: string): Record<string, number> {
  const text = readSecret(file);
  if (text === undefined) return {};
  try {
    return stored.parse(JSON.parse(text));
  } catch {
    // An unreadable list must not become an empty one: that would bring revoked tokens back.
    throw new StateError(
      `${file} is not a list of revoked tokens; restore it, or remove it and rotate the issuer's keys`,
    );
  }
}
