import { existsSync, mkdirSync, rmSync, statSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { createFiles } from '../control-plane/config/atomic.ts';
import { configError } from '../control-plane/config/problem.ts';
import { options } from './options.ts';
import type { Io } from './terminal.ts';

interface InitIo extends Io {
  /** The state directory when the command line named one; default: `.innerkeep` in the directory. */
  readonly state?: string;
  readonly cwd?: string;
}

/**
 * `init [DIR]`: a commented configuration, a first policy with its cases, and the state directory (mode 0700).
 * Overwrites nothing, leaves nothing half-written.
 * @returns 0
 * @throws ConfigError naming what exists already (exit 2)
 */
export async function init(argv: readonly string[], io: InitIo): Promise<number> {
  const [target = '.'] = options(argv, {}, 1).positionals;
  const cwd = io.cwd ?? process.cwd();
  const directory = resolve(cwd, target);
  const usual = io.state === undefined || io.state === join(cwd, '.innerkeep');
  const state = usual || io.state === undefined ? join(directory, '.innerkeep') : io.state;
  const drafts = [
    { path: join(directory, 'innerkeep.yaml'), text: CONFIGURATION },
    { path: join(directory, 'policies', 'first.cedar'), text: POLICY },
    { path: join(directory, 'policies', 'first.test.yaml'), text: CASES },
    { path: join(directory, '.gitignore'), text: `/${basename(state)}/\n` },
  ].filter(({ path }) => !(path.endsWith('.gitignore') && (existsSync(path) || dirname(state) !== directory)));
  const policies = join(directory, 'policies');
  const taken = [...drafts.map(({ path }) => path), state].filter((path) => existsSync(path));
  if (existsSync(policies) && !statSync(policies).isDirectory()) taken.push(policies);
  if (taken[0] !== undefined)
    throw configError(
      taken[0],
      `${taken.join(' and ')} exists already; nothing was written`,
      'choose another directory',
    );
  // Only what was made here is taken back when something fails.
  const made: (string | undefined)[] = [];
  try {
    for (const path of [directory, policies, state])
      made.push(mkdirSync(path, { recursive: true, mode: path === state ? 0o700 : 0o755 }));
    createFiles(drafts);
  } catch (error) {
    for (const path of made.reverse()) if (path !== undefined) rmSync(path, { recursive: true, force: true });
    throw error;
  }
  if (io.json) io.stdout(`${JSON.stringify({ written: [...drafts.map(({ path }) => path), state] })}\n`);
  else io.stdout(`${[...drafts.map(({ path }) => path), state].map((path) => `wrote ${path}`).join('\n')}\n`);
  return 0;
}

const CONFIGURATION = `# innerkeep: one place through which every call to an MCP server passes.
# Whatever is not written here has its hardened default. All keys: docs/configuration.md

edge:
  listen: 127.0.0.1:8443        # where MCP clients connect; port 0 takes any free one
  server_names: [localhost]     # TLS server names that are accepted; the first is what clients are told

policies: ./policies            # *.cedar; what no policy permits is refused

# Added by, for example:
#   innerkeep add npm:@modelcontextprotocol/server-filesystem@2026.8.31 --name files --mount ./docs:/data:ro -- /data
# which vets and pins it (innerkeep.lock, made to be committed). What is not pinned is never started.
servers: {}
`;

const POLICY = `// What no policy permits is refused. A permit names its principal, its actions and its resource;
// wildcards are refused when the policies are loaded.
//
// permit (
//   principal in Tenant::"acme",
//   action in [Action::"files/read_text_file", Action::"files/list_directory"],
//   resource == Tenant::"acme"
// ) when { context.args.path like "/data/public/*" };
`;

const CASES = `# Cases for \`innerkeep policy test\`: who asks for what, and what must be the answer.
- subject: alice
  tenant: acme
  action: files/read_text_file
  arguments: { path: /data/public/hello.txt }
  expect: deny
  why: nothing is permitted yet
`;
