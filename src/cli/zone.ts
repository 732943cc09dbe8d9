interface Zone {
  readonly ready: Readonly<Record<string, string>>;
  /** Resolves when it ended by itself, with the reason. */
  readonly failed: Promise<string>;
  stop(): Promise<void>;
}

interface Io {
  readonly json: boolean;
  stdout(text: string): void;
  stderr(text: string): void;
}

/**
 * Runs one zone of a fleet until it is told to stop (SIGINT, SIGTERM, SIGHUP) or ends by itself.
 * @returns 0 when it was told to, else 1
 */
export async function zone(start: () => Promise<Zone>, io: Io): Promise<number> {
  const told = new Promise<undefined>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve(undefined));
  });
  const running = await start();
  const { event, ...said } = running.ready;
  const words = Object.entries(said).map(([key, value]) => `${key} ${value}`);
  io.stdout(io.json ? `${JSON.stringify(running.ready)}\n` : `${event}: ${words.join(', ')}\n`);
  const reason = await Promise.race([told, running.failed]);
  if (reason !== undefined) io.stderr(`innerkeep: ${reason}\n`);
  await running.stop();
  return reason === undefined ? 0 : 1;
}
