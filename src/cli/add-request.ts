import { isAbsolute, relative, resolve } from 'node:path';
import type { ServerBlock } from '../control-plane/config/edit.ts';
import type { Config } from '../control-plane/config/load.ts';
import { own } from '../control-plane/config/own.ts';
import { PACKAGE, SERVER_NAME } from '../control-plane/config/schema.ts';
import { options, UsageError } from './options.ts';

interface AddRequest {
  readonly name: string;
  readonly kind: 'package' | 'root' | 'url';
  /** As the configuration's key of that name has it. */
  readonly value: string;
  /** What stood behind `--`; undefined: nothing. */
  readonly words: readonly string[] | undefined;
  readonly mounts: readonly { readonly from: string; readonly to: string; readonly mode: string }[];
  readonly yes: boolean;
  readonly acceptUnverified: boolean;
  readonly acceptSuspected: boolean;
  /** Absolute path of what a remote server's issuer knows us by. */
  readonly client: string | undefined;
}

/**
 * The words of `add`. Relative paths start from `cwd` and are written relative to the configuration's `directory`.
 * @throws UsageError (exit 2)
 */
export function addRequest(argv: readonly string[], cwd: string, directory: string): AddRequest {
  const end = argv.indexOf('--');
  const { values, positionals } = options(
    end < 0 ? argv : argv.slice(0, end),
    {
      name: { type: 'string' },
      mount: { type: 'string', multiple: true, default: [] },
      yes: { type: 'boolean', default: false },
      'accept-unverified': { type: 'boolean', default: false },
      'accept-suspected': { type: 'boolean', default: false },
      client: { type: 'string' },
    },
    1,
  );
  const [what] = positionals;
  if (what === undefined) throw new UsageError('add takes one of npm:NAME@VERSION, ./DIR, https://…');
  if (values.name === undefined) throw new UsageError('add needs --name NAME, the name that clients see');
  if (!SERVER_NAME.test(values.name))
    throw new UsageError(
      `--name: ${values.name} is not a-z, 0-9 and hyphens, at most 32, from a letter on, and not sse`,
    );
  if (values.client !== undefined && !/^https?:\/\//.test(what)) throw new UsageError('--client goes with a URL only');
  const written = (path: string): string => {
    const way = relative(directory, resolve(cwd, path));
    return way.startsWith('..') || isAbsolute(way) ? resolve(cwd, path) : `./${way}`;
  };
  const kind = what.startsWith('npm:') ? 'package' : /^https?:\/\//.test(what) ? 'url' : 'root';
  if (kind === 'package' && !PACKAGE.test(what))
    throw new UsageError(
      `${what}: an exact version is needed, such as npm:NAME@1.2.3; a range or tag names something else tomorrow`,
    );
  if (kind === 'root' && !/^(\.\.?$|\.\.?\/|\/)/.test(what))
    throw new UsageError(
      `${what}: a directory begins with ./ or /, a package with npm:, a remote server with https://`,
    );
  const mounts = values.mount.map((text) => {
    const [, from, to, mode = 'ro'] = /^(.+?):(\/[^:]*)(?::(ro|rw))?$/.exec(text) ?? [];
    if (from === undefined || to === undefined)
      throw new UsageError(`--mount: ${text} is not FROM:TO:ro or FROM:TO:rw`);
    return { from: written(from), to, mode };
  });
  return {
    name: values.name,
    kind,
    value: kind === 'root' ? written(what) : what,
    words: end < 0 ? undefined : argv.slice(end + 1),
    mounts,
    yes: values.yes,
    acceptUnverified: values['accept-unverified'],
    acceptSuspected: values['accept-suspected'],
    client: values.client === undefined ? undefined : resolve(cwd, values.client),
  };
}

/**
 * The keys that `add` writes. An existing block keeps what is not named; it cannot become another server.
 * @throws UsageError
 */
export function blockFor(request: AddRequest, config: Config): ServerBlock {
  const { name, kind, value, words, mounts } = request;
  const existing = own(config.servers, name);
  const same =
    existing === undefined ||
    identity(existing[kind], kind) === identity(kind === 'root' ? resolve(config.directory, value) : value, kind);
  if (!same)
    throw new UsageError(
      `there is another server ${name} in ${config.file}: take its block out first, or choose another name`,
    );
  if (kind === 'url' && (words !== undefined || mounts.length > 0))
    throw new UsageError('a remote server takes neither -- nor --mount');
  if (kind === 'root' && (words?.length ?? 0) === 0 && existing === undefined)
    throw new UsageError('a directory needs its command: add ./DIR --name N -- COMMAND…');
  return {
    [kind]: value,
    ...(words === undefined || words.length === 0 ? {} : { [kind === 'root' ? 'command' : 'args']: words }),
    ...(mounts.length === 0 ? {} : { mounts }),
  };
}

function identity(value: string | undefined, kind: AddRequest['kind']): string | undefined {
  return kind === 'package' && value !== undefined ? PACKAGE.exec(value)?.[1] : value;
}
