import { parentPort, workerData } from 'node:worker_threads';
import type { PolicySource } from '../../../contract/bundle.ts';
import type { PolicyWorld } from '../../../contract/policy-world.ts';
import { readPolicies } from './read.ts';
import type { FromReader } from './read-aside.ts';

/** Policies of one message: whoever takes it in is busy with it for some milliseconds. */
const CHUNK = 100;

// A worker thread: reads the policies that it is started with, and tells them piece by piece, each when it is asked for more.
const { sources, world } = workerData as { sources: readonly PolicySource[]; world: PolicyWorld };
const { policies, problems } = readPolicies(sources, world);
let told = 0;
parentPort?.on('message', () => {
  const chunk = policies.slice(told, told + CHUNK);
  told += chunk.length;
  const message: FromReader =
    chunk.length === 0
      ? { problems }
      : // The file's text is there already, and would be copied with each of its policies.
        { policies: chunk.map(({ source: _, text, ...policy }) => ({ ...policy, length: text.length })) };
  parentPort?.postMessage(message);
  if (chunk.length === 0) parentPort?.close();
});
