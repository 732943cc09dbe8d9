import { randomBytes } from 'node:crypto';

/** A random id, behind the name of the replica that has what it is of. */
export function placedId(home: string | undefined): string {
  const id = randomBytes(24).toString('base64url');
  return home === undefined ? id : `${home}.${id}`;
}

/** The replica that such an id names; undefined for what is no such id. */
export function homeOf(id: unknown): string | undefined {
  return typeof id === 'string' ? /^([\w-]{16})\.[\w-]{32}$/.exec(id)?.[1] : undefined;
}
