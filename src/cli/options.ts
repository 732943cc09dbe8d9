import { dirname, join, resolve } from 'node:path';
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';

/** What every command takes, and what is left for the command itself. */
export interface Common {
  readonly config: string;
  readonly state: string;
  readonly json: boolean;
  readonly help: boolean;
  readonly rest: readonly string[];
}

export class UsageError extends Error {}

/** Takes the common options out of a command's words; what follows `--` is never looked at. */
export function common(argv: readonly string[]): Common {
  const end = argv.indexOf('--');
  const own = end < 0 ? argv : argv.slice(0, end);
  const taken: Record<string, string> = {};
  const rest: string[] = [];
  for (let at = 0; at < own.length; at++) {
    const word = own[at] as string;
    const [name = '', inline] = word.split(/=(.*)/s);
    const key = { '-c': 'config', '--config': 'config', '--state': 'state' }[name];
    if (key !== undefined) {
      const value = inline ?? own[++at];
      if (value === undefined) throw new UsageError(`${name} needs a value`);
      taken[key] = value;
    } else if (word === '--json' || word === '--help' || word === '-h')
      taken[word === '-h' ? 'help' : word.slice(2)] = 'yes';
    else rest.push(word);
  }
  const config = resolve(taken.config ?? 'innerkeep.yaml');
  return {
    config,
    state: resolve(taken.state ?? join(dirname(config), '.innerkeep')),
    json: taken.json !== undefined,
    help: taken.help !== undefined,
    rest: [...rest, ...(end < 0 ? [] : argv.slice(end))],
  };
}

/** `parseArgs` whose complaints, and more words than `most`, are usage errors (exit 2). */
export function options<T extends ParseArgsOptionsConfig>(argv: readonly string[], spec: T, most: number) {
  let parsed: ReturnType<typeof parseArgs<{ options: T; allowPositionals: true; strict: true; args: string[] }>>;
  try {
    parsed = parseArgs({ args: [...argv], options: spec, allowPositionals: true, strict: true });
  } catch (error) {
    // The rest of node's sentence is about words that begin with a hyphen.
    throw new UsageError(
      String(error instanceof Error ? error.message : error).replace(/\. To specify a positional.*/s, ''),
    );
  }
  const extra = parsed.positionals[most];
  if (extra !== undefined) throw new UsageError(`unexpected ${JSON.stringify(extra)}`);
  return parsed;
}
