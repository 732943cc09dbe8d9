// npm run conformance: the official suite against the gateway, as a server, as a client, and as an issuer and a client of
// issuers. `server`, `client` or `oauth` as argument runs that part alone; -v says what the suite complained about also where it is no failure.
import { authorizedRuns, issuerRuns } from './authorization.ts';
import { clientRuns, directRuns, type Row, serverRuns } from './runs.ts';
import { judge, readExpectations } from './verdict.ts';

const verbose = process.argv.includes('-v');
const part = process.argv.find((argument) => ['server', 'client', 'oauth'].includes(argument));
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
if (part === undefined) await directRuns(report);
if (part === undefined || part === 'server') await serverRuns(report);
if (part === undefined || part === 'client') await clientRuns(report);
if (part === undefined || part === 'oauth') {
  await issuerRuns(report);
  await authorizedRuns(report);
}
const { passed, failed, excused, stale } = judge(all, expectations);
const expected = excused.length > 0 ? `, ${excused.length} expected to fail` : '';
console.log(`\n${passed.length} passed, ${failed.length + stale.length} failed${expected}`);
process.exitCode = failed.length + stale.length > 0 ? 1 : 0;
