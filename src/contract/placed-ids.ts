/** An id behind the name of the replica that has what it is of; undefined: it is the only one. @param id 24 random bytes, base64url */
export function placedId(home: string | undefined, id: string): string {
  return home === undefined ? id : `${home}.${id}`;
}

/** The replica that such an id names; undefined for what is no such id. */
export function homeOf(id: unknown): string | undefined {
  return typeof id === 'string' ? /^([\w-]{16})\.[\w-]{32}$/.exec(id)?.[1] : undefined;
}
