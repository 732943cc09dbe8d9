import { PREFIX, parse } from '../cookies.ts';

const NAME = `${PREFIX}upstream`;
/** Seconds. */
const LIFE = 600;

/** What one browser has of one visit, set once its person has agreed; whoever comes back with it went there himself. */
export function visitCookie(visit: string, value: string): string {
  return `${NAME}.${visit}=${value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=${LIFE}`;
}

export function visitIn(header: string | undefined, visit: string): string | undefined {
  return parse(header).get(`${NAME}.${visit}`);
}
