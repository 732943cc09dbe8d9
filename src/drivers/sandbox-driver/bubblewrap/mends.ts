import { sharedMends } from '../host/mends.ts';

/** What bubblewrap and the kernel say when they are not allowed to, and what to type then. */
export const mends = [
  [/python3 is not installed/, 'apt-get install python3'],
  [/not installed/, 'apt-get install bubblewrap'],
  ...sharedMends,
  [/./, 'bubblewrap 0.8 or later on a kernel with user namespaces is needed'],
] as const;
