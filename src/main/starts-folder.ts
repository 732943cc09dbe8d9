import { dirname } from 'node:path';

/** What servers are started from, where it is not their own files: beside the runtime's own folder, which no mount may show. */
export function startsFolder(socket: string): string {
  return `${dirname(socket)}-starts`;
}
