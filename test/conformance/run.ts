// npm run conformance: the official suite against the gateway, as a server and as a client. `server` or `client` as
// argument runs that half alone; -v says what the suite complained about also where it is no failure.
import { clientRuns, directRuns, type Row, serverRuns } from './runs.ts';
import { judge, readExpectations } from './verdict.ts';

const verbose = process.argv.includes('-v');
const half = process.argv.find((argument) => argument === 'server' || argument === 'client');
const expectations = readExpectations();
const all: Row[] = [];

function line(run: string, required: string, others: string, checks: string): void {
  console.log(`${run.padEnd(34)} ${required.padStart(10)} ${others.padStart(10)} ${checks.padStart(14)}`);
}

function report(rows: readonly Row[]): void {
  all.push(...rows);
  const share = (of: readonly Row[]) =>
    of.length === 0 ? '-' : `${of.filter((row) => row.passed).length}/${of.length}`;
  const sum = (status: 'SUCCESS' | 'FAILURE') => rows.reduce((total, row) => total + row.counts[status], 0);
  const [required, others] = [rows.filter((row) => row.required), rows.filter((row) => !row.required)];
  line(rows[0]?.run ?? '', share(required), share(others), `${sum('SUCCESS')} / ${sum('FAILURE')}`);
  const { failed, stale } = judge(rows, expectations);
  for (const row of failed) {
    console.log(`  ✗ ${row.name}`);
    const said = row.complaints.length > 0 ? row.complaints : row.printed.trim().split('\n').slice(-12);
    for (const complaint of said) console.log(`      ${complaint.slice(0, 400)}`);
  }
  for (const fault of stale) console.log(`  ✗ expected-failures.json: ${fault}`);
  if (!verbose) return;
  for (const row of rows.filter((each) => each.complaints.length > 0 && !failed.includes(each)))
    console.log(`  - ${row.name}\n      ${row.complaints.join('\n      ')}`);
}

line('run', 'required', 'others', 'checks +/-');
if (half === undefined) await directRuns(report);
if (half !== 'client') await serverRuns(report);
if (half !== 'server') await clientRuns(report);
const { passed, failed, excused, stale } = judge(all, expectations);
const expected = excused.length > 0 ? `, ${excused.length} expected to fail` : '';
console.log(`\n${passed.length} passed, ${failed.length + stale.length} failed${expected}`);
process.exitCode = failed.length + stale.length > 0 ? 1 : 0;
