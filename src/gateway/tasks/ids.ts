import { randomBytes } from 'node:crypto';

/** A random id, behind the name of the replica that has the task. */
export function taskId(home: string | undefined): string {
  const id = randomBytes(24).toString('base64url');
  return home === undefined ? id : `${home}.${id}`;
}

/** The replica that a task's id names; undefined for what is no such id. */
export function homeOfTask(id: unknown): string | undefined {
  return typeof id === 'string' ? /^([\w-]{16})\.[\w-]{32}$/.exec(id)?.[1] : undefined;
}
