// Sessions over three gateways behind one address with no affinity, and one Redis: how many of 1,000 attempts of both eras work
// (initialize, list, call, form, lost stream, delete; or discover, list, call, form), and how long they take. Prints one line.
import { test } from 'node:test';
import { attempts } from '../test/fleet/support/attempts.ts';
import { Fleet } from '../test/fleet/support/fleet.ts';
import { Wire } from '../test/fleet/support/wire.ts';

const MANY = Number(process.argv[2] ?? 1000);
const CLIENTS = 8;

test('attempts', async (t) => {
  const fleet = await Fleet.start(t);
  const token = await fleet.token();
  const wires = Array.from({ length: CLIENTS }, () => new Wire(fleet, token));
  const began = performance.now();
  const failed = await attempts(wires, MANY);
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  for (const wire of wires) wire.close();
  console.log(`${MANY - failed.length} of ${MANY} attempts worked, ${CLIENTS} at a time, in ${seconds} s`);
  for (const why of failed.slice(0, 5)) console.log(why);
  if (failed.length > 0) process.exitCode = 1;
});
