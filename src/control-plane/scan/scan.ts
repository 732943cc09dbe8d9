import { scanFiles } from './files.ts';
import type { Finding } from './finding.ts';
import { type RunSemgrep, semgrepFindings, semgrepFolder } from './semgrep/semgrep.ts';

export type Scanner = 'innerkeep' | 'semgrep';

/** A finding, and which scanners have it. */
export type Found = Finding & { readonly by: readonly Scanner[] };

export interface ScanReport {
  readonly files: number;
  readonly findings: readonly Found[];
  /** Whether semgrep looked too. */
  readonly withSemgrep: boolean;
}

/** What is found in these files and folders: by our own scan, and by semgrep where it is there. */
export async function scanPaths(paths: readonly string[], run: RunSemgrep): Promise<ScanReport> {
  const all = paths.map(scanFiles);
  const files = all.reduce((sum, one) => sum + one.files, 0);
  const ours = all.flatMap(({ findings }) => findings);
  const program = semgrepFolder(process.env);
  const code = all.flatMap((one) => one.code);
  const theirs = program === undefined ? [] : await semgrepFindings(program, code, run);
  return { files, findings: merged(ours, theirs), withSemgrep: program !== undefined };
}

/** What both have found in one line of a file is one finding. */
function merged(ours: readonly Finding[], theirs: readonly Finding[]): readonly Found[] {
  const place = ({ rule, line, file }: Finding): string => JSON.stringify([rule.id, line, file]);
  const [here, there] = [new Set(ours.map(place)), new Set(theirs.map(place))];
  const both = ours.map(
    (one): Found => ({ ...one, by: there.has(place(one)) ? ['innerkeep', 'semgrep'] : ['innerkeep'] }),
  );
  const alone = theirs.filter((one) => !here.has(place(one))).map((one): Found => ({ ...one, by: ['semgrep'] }));
  return [...both, ...alone];
}
