import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openDoor } from '../people/support/door.ts';
import { Visitor } from '../people/support/visitor.ts';
import { freePort } from '../support/free-port.ts';
import { type Row, required } from './runs.ts';
import { clientScenarios, testClient, testIssuer } from './suite.ts';

const here = import.meta.dirname;
const LISTS: readonly string[] = ['2025-11-25', '2026-07-28'];

/** Every client scenario about OAuth, in each revision that has it; then those of extensions. */
export async function authorizedRuns(report: (rows: readonly Row[]) => void): Promise<void> {
  const scenarios = [...(await clientScenarios())].filter(([name]) => name.startsWith('auth/'));
  const missing = LISTS.flatMap((revision) => required(revision).client).filter(
    (name) => name.startsWith('auth/') && !scenarios.some(([known]) => known === name),
  );
  if (scenarios.length === 0 || missing.length > 0) throw new Error(`the suite does not list ${missing.join(', ')}`);
  const jobs = scenarios.flatMap(([scenario, revisions]) => revisions.map((revision) => ({ scenario, revision })));
  const command = `exec ${process.execPath} ${join(here, 'client/authorized-command.ts')}`;
  const rows: Row[] = [];
  const work = async () => {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
      const { scenario, revision } = job;
      const result = await testClient(command, scenario, revision === 'extension' ? undefined : revision);
      const isListed = LISTS.includes(revision) && required(revision).client.includes(scenario);
      rows.push({ ...result, run: `authorized ${revision}`, required: isListed });
    }
  };
  await Promise.all([work(), work()]);
  for (const run of [...new Set(rows.map((row) => row.run))].toSorted())
    report(rows.filter((row) => row.run === run).toSorted((a, b) => (a.name < b.name ? -1 : 1)));
}

/** The scenarios for authorization servers, against the embedded issuer; a person with a passkey signs in and agrees. */
export async function issuerRuns(report: (rows: readonly Row[]) => void): Promise<void> {
  const ends: (() => unknown)[] = [];
  try {
    const door = await openDoor({ after: (end: () => unknown) => void ends.push(end) } as never);
    const visitor = new Visitor(door);
    await visitor.enrol(door.issuer.invite({ subject: 'alice', tenant: 'acme', groups: [] }, 900));
    const ca = join(door.stateDir, 'suite-ca.pem');
    writeFileSync(ca, door.ca);
    const port = await freePort();
    const visit = (url: string) =>
      void visitor.allow(url).then((query) => fetch(`http://127.0.0.1:${port}/callback?${query}`));
    const results = await testIssuer(door.origin, door.mcp, port, { NODE_EXTRA_CA_CERTS: ca }, visit);
    const named = ['authorization-server-metadata-endpoint', 'authorization-code-grant'];
    const missing = named.filter((name) => !results.some((result) => result.name === name));
    if (missing.length > 0) throw new Error(`never run: ${missing.join(', ')}`);
    report(results.map((result) => ({ ...result, run: 'issuer', required: true })));
  } finally {
    for (const end of ends.toReversed()) await end();
  }
}
