import { chmodSync, existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import * as z from 'zod';
import type { SemgrepRun } from '../../../contract/zone-link.ts';
import { removal } from '../../packages/removal.ts';
import { codeRules } from '../code/rules.ts';
import type { CodeFile } from '../files.ts';
import type { Finding, Rule } from '../finding.ts';

/** Rules, targets and output are of this version. `npm run servers -- semgrep` brings it. */
export const SEMGREP_VERSION = '1.185.0';

/** What runs it: in a sandbox without network, with bounds of time, memory and output. Rejects with what it died of. */
export type RunSemgrep = (run: SemgrepRun) => Promise<string>;

const unfinished: Rule = {
  id: 'scan.unfinished',
  level: 'warning',
  text: 'semgrep did not read it to its end',
  standard: 'OWASP A08:2021',
};
const failed: Rule = { ...unfinished, id: 'scan.semgrep-failed', level: 'error', text: 'semgrep did not finish' };

const rules = new Map(
  [...Object.values(codeRules('js')), ...Object.values(codeRules('py'))].map((rule) => [rule.id, rule]),
);

/** The folder of the program, where it is there. */
export function semgrepFolder(env: Readonly<Record<string, string | undefined>>): string | undefined {
  const cache = env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  const folder = join(cache, 'innerkeep', `semgrep-${SEMGREP_VERSION}`);
  return existsSync(join(folder, 'semgrep-core')) ? folder : undefined;
}

/**
 * What our rules for semgrep find. It is given copies of these files and nothing else, so that no file can switch a rule off:
 * what it would leave out for a comment in one counts too.
 */
export async function semgrepFindings(
  program: string,
  code: readonly CodeFile[],
  run: RunSemgrep,
): Promise<readonly Finding[]> {
  const [first] = code;
  if (first === undefined) return [];
  const root = mkdtempSync(join(tmpdir(), 'innerkeep-scan-'));
  const remove = removal(root);
  try {
    const { targets, originals } = copied(root, code);
    const question = { program, rules: join(import.meta.dirname, 'inside'), root, targets };
    const { results, errors } = output.parse(JSON.parse(await run(question)));
    const original = (path: string | undefined, about: string): string => {
      const file = originals.get(path ?? '');
      if (file === undefined) throw new Error(about);
      return file;
    };
    const found: Finding[] = [];
    for (const { check_id, path, start, end } of results) {
      const rule = rules.get(check_id);
      if (rule === undefined) throw new Error(`it speaks of a rule ${check_id}`);
      const file = original(path, `it speaks of a file ${path}`);
      found.push({ rule, file, line: start.line, what: excerpt(file, start.offset, end.offset) });
    }
    for (const { error_type, message, location } of errors) {
      const file = original(location?.path, `${error_type}: ${message}`);
      found.push({ rule: unfinished, file, line: 1, what: error_type });
    }
    return found;
  } catch (error) {
    const what = error instanceof Error ? error.message.slice(0, 300) : String(error);
    return [{ rule: failed, file: first.path, line: 1, what }];
  } finally {
    remove();
  }
}

const place = z.object({ line: z.int().positive(), offset: z.int().nonnegative() });
const output = z.object({
  results: z.array(z.object({ check_id: z.string(), path: z.string(), start: place, end: place })),
  errors: z.array(
    z.object({
      error_type: z.union([z.string(), z.array(z.unknown()).transform(String)]),
      message: z.string().default(''),
      location: z.object({ path: z.string() }).optional(),
    }),
  ),
});

/** Copies under numbers, which the sandbox's own user can read. */
function copied(root: string, code: readonly CodeFile[]) {
  chmodSync(root, 0o755);
  const originals = new Map<string, string>();
  const targets = code.map(({ path, language }, at) => {
    const name = `${at}${extname(path)}`;
    writeFileSync(join(root, name), readFileSync(path), { mode: 0o644 });
    originals.set(`/srv/${name}`, path);
    const target = { fpath: `/srv/${name}`, ppath: `/srv/${name}` };
    return ['CodeTarget', { path: target, analyzer: language, products: ['sast'] }];
  });
  return { targets: JSON.stringify(['Targets', targets]), originals };
}

/** Offsets are of bytes. */
function excerpt(file: string, from: number, to: number): string {
  return readFileSync(file).subarray(from, to).toString('utf8').split('\n', 1)[0]?.slice(0, 120) ?? '';
}
