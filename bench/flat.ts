// Is memory flat? 20,000 calls (or the number given), one in ten through a fresh sandbox; prints the resident memory of all
// zones together as it goes, and the growth between the first and the last quarter's median.
import { residentBytes, zones } from './support/cpu.ts';
import { load } from './support/raw-client.ts';
import { setting } from './support/setting.ts';

const calls = Number(process.argv[2] ?? 20_000);
const { targets, product, close } = await setting();
const pids = zones(product.pid);
const readings: number[] = [];
const steps = 40;
try {
  for (let step = 1; step <= steps; step++) {
    const sandboxed = Math.round(calls / steps / 10);
    await Promise.all([load(targets.http, 8, calls / steps - sandboxed), load(targets.sandboxed, 3, sandboxed)]);
    readings.push(residentBytes(pids) / 2 ** 20);
    console.log(`${Math.round((calls / steps) * step)} calls: ${readings.at(-1)?.toFixed(0)} MiB resident`);
  }
} finally {
  await close();
}
const quarter = steps / 4;
const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
const [first, last] = [median(readings.slice(quarter, 2 * quarter)), median(readings.slice(-quarter))];
console.log(
  `second quarter ${first.toFixed(0)} MiB, last quarter ${last.toFixed(0)} MiB: ${(last / first).toFixed(2)}×`,
);
