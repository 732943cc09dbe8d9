import { type Mends, sharedMends } from '../host/mends.ts';

/** What gVisor, bubblewrap and the kernel say when something is missing, and what to type then. */
export const mends: Mends = [
  [/bubblewrap is not installed/, 'apt-get install bubblewrap'],
  [/not installed/, 'apt-get install runsc (newer: apt-get install -t bookworm-backports runsc)'],
  ...sharedMends,
  [/./, 'runsc of 2022-12 or later is needed: apt-get install -t bookworm-backports runsc'],
];
