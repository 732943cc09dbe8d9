import type { Attempt } from './attempt.ts';
import { files } from './files.ts';
import { kernel } from './kernel.ts';
import { processes } from './processes.ts';

export const attempts: readonly Attempt[] = [...kernel, ...files, ...processes];

/** What an attempt may come to: `kernel` is whose kernel answers the sandbox. */
export function allowed({ of }: Attempt, kernel: 'shared' | 'own'): RegExp {
  return of === 'kernel' && kernel === 'own' ? /^(got|refused) / : /^refused /;
}
