import { randomFillSync } from 'node:crypto';

/** 32 characters that are not taken for one another when read aloud. */
const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789';
const LENGTH = 16;

/** A source of incident ids: `inc_` and 80 random bits. Random bytes are drawn in batches; a call costs no system call. */
export function incidentIds(): () => string {
  const pool = Buffer.alloc(LENGTH * 256);
  let at = pool.length;
  return () => {
    if (at === pool.length) {
      randomFillSync(pool);
      at = 0;
    }
    let id = 'inc_';
    for (const end = at + LENGTH; at < end; at++) id += ALPHABET.charAt(pool.readUInt8(at) & 31);
    return id;
  };
}
