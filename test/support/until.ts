import { setTimeout } from 'node:timers/promises';

/**
 * Asks again until it is so.
 * @throws when it is not after two minutes, of any machine: what waits for ever would keep its process
 */
export async function until(isSo: () => Promise<boolean> | boolean): Promise<void> {
  for (const end = performance.now() + 120_000; !(await isSo()); await setTimeout(10))
    if (performance.now() > end) throw new Error(`not after two minutes: ${isSo}`);
}
