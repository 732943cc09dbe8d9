import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { PolicySource } from '../../../contract/bundle.ts';
import type { PolicyProblem } from '../../../contract/loaded-policies.ts';
import type { PolicyWorld } from '../../../contract/policy-world.ts';
import { isTuples, type ReadPolicies } from './read.ts';
import type { ParsedPolicy } from './sources.ts';

type Told = Omit<ParsedPolicy, 'source' | 'text'> & { readonly length: number };
/** What the reader says: some of the policies, or, last, what is wrong with them. */
export type FromReader = { readonly policies: readonly Told[] } | { readonly problems: readonly PolicyProblem[] };

/** As `readPolicies`, in a thread of its own: this one does not wait. @throws Error of the reader's */
export function readAside(sources: readonly PolicySource[], world: PolicyWorld): Promise<ReadPolicies> {
  const texts = new Map(sources.map(({ file, text }) => [file, text]));
  const policies: ParsedPolicy[] = [];
  const workerData = { sources: sources.filter((source) => !isTuples(source)), world };
  const reader = new Worker(join(import.meta.dirname, 'reader.ts'), { workerData });
  return new Promise((resolve, reject) => {
    reader.on('message', (message: FromReader) => {
      if ('problems' in message) return resolve({ policies, problems: message.problems });
      for (const { length, ...policy } of message.policies) {
        const source = texts.get(policy.file) ?? '';
        policies.push({ ...policy, source, text: source.slice(policy.start, policy.start + length) });
      }
      // In the next turn: what else waits comes first.
      setImmediate(() => reader.postMessage('more'));
    });
    reader.on('error', reject);
    reader.on('exit', () => reject(new Error('the reader of policies ended before it had told them')));
    reader.postMessage('more');
  });
}
