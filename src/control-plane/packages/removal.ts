import { rmSync } from 'node:fs';

/** Gives the removal of a directory that is only for now; when the process ends before (Ctrl-C), it happens then. */
export function removal(directory: string): () => void {
  const remove = (): void => {
    process.off('exit', remove);
    rmSync(directory, { recursive: true, force: true });
  };
  process.once('exit', remove);
  return remove;
}
