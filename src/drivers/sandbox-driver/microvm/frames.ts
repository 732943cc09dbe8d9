/** Kinds of frames; guest/wire.h is the other half. */
export const kinds = {
  ...{ data: 0, credit: 1, end: 2, open: 3, reset: 4 },
  ...{ reseed: 16, filter: 17, start: 18 },
  ...{ ready: 32, started: 33, failed: 34, exited: 35 },
} as const;

/** Streams that the agent has opened when it says `started`; from `firstConnection` on, what it accepted. */
export const streams = { orders: 0, stdin: 1, stdout: 2, stderr: 3, firstConnection: 4, most: 260 } as const;

/** Bytes in front of each frame's payload: its length, its stream, its kind. */
export const header = 8;
/** Bytes of one payload. */
export const largest = 32 * 1024;
