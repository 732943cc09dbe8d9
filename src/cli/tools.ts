import { resolve } from 'node:path';
import { replaceFiles } from '../control-plane/config/atomic.ts';
import { type Config, loadConfig } from '../control-plane/config/load.ts';
import { own } from '../control-plane/config/own.ts';
import { configError, SafetyError } from '../control-plane/config/problem.ts';
import { type Change, diffPins, pinnedElsewhere } from '../control-plane/packages/descriptor-diff.ts';
import {
  type Lock,
  type LockedServer,
  lockPath,
  lockText,
  pinnedServer,
  readLock,
  withLocked,
} from '../control-plane/packages/lock.ts';
import { type Pins, pinsOf } from '../control-plane/packages/pins.ts';
import { ensureFiles, lockedFor, runtimeServer } from '../control-plane/packages/pins-for.ts';
import { type Describe, demandServable, type Inspect, withPins } from '../control-plane/packages/review.ts';
import { Store } from '../control-plane/packages/store.ts';
import {
  demandAccepted,
  type Suspects,
  suspectLines,
  suspectsOf,
  toolsOfOthers,
} from '../control-plane/packages/suspects.ts';
import { options, UsageError } from './options.ts';
import { type Ask, type Io, personAtTerminal, printable } from './terminal.ts';

interface ToolsDeps {
  /** Absolute paths. */
  readonly config: string;
  readonly state: string;
  readonly describe: Describe;
  readonly inspect: Inspect;
  /** Default: the person at the terminal, where there is one. */
  readonly ask?: Ask;
  /** Default: this process's. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

interface Found {
  readonly name: string;
  readonly locked: LockedServer;
  readonly live: Pins;
  readonly changes: readonly Change[];
  /** What of it gives orders to the model. */
  readonly suspects: Suspects;
}

/**
 * `tools ls [SERVER]`: the pinned descriptors. `tools diff [SERVER]`: what servers say now against them.
 * `tools approve [SERVER[/TOOL]]`: pins what they say now. `tools approve SERVER --again`: what
 * it had said otherwise in between, and now says as pinned, may be called again. `tools reject [SERVER[/TOOL]]`: the pins stay as they are.
 * @returns 0; 1 when `diff` finds a difference
 * @throws UsageError, ConfigError (exit 2), SafetyError (exit 3)
 */
export async function tools(argv: readonly string[], io: Io, deps: ToolsDeps): Promise<number> {
  const { values, positionals } = options(
    argv,
    {
      yes: { type: 'boolean', default: false },
      'accept-suspected': { type: 'boolean', default: false },
      again: { type: 'boolean', default: false },
      client: { type: 'string' },
    },
    2,
  );
  const [verb = 'ls', which] = positionals;
  if (!['ls', 'diff', 'approve', 'reject'].includes(verb))
    throw new UsageError('tools ls | diff | approve | reject [SERVER[/TOOL]]');
  const config = await loadConfig(deps.config, deps.state);
  const lock = readLock(config.directory);
  const [only, ...rest] = which?.split('/') ?? [];
  const tool = rest.length === 0 ? undefined : rest.join('/');
  if (only !== undefined && own(config.servers, only) === undefined)
    throw new UsageError(`no server ${only}; there is ${Object.keys(config.servers).join(', ') || 'none'}`);
  const names = Object.keys(config.servers).filter((name) => only === undefined || name === only);
  if (verb === 'ls') return list(names, config, lock, io);
  if (verb === 'reject') {
    for (const name of names) lockedFor(name, config.servers[name] as Config['servers'][string], config, lock);
    if (io.json) io.stdout(`${JSON.stringify({ rejected: which ?? names, changed: false })}\n`);
    else io.stdout(`the pins of ${which ?? names.join(', ')} stay; clients go on being answered from them\n`);
    return 0;
  }
  const found: Found[] = [];
  const client = values.client === undefined ? undefined : resolve(values.client);
  for (const name of names) found.push(await ask(name, config, lock, client, deps));
  if (verb === 'diff') {
    print(found, io);
    for (const { name, live } of found)
      for (const { message, mend } of deps.inspect(name, live.tools, config.servers[name]?.tools ?? {}))
        io.stderr(printable(`${name}: ${message}; ${mend}`).concat('\n'));
    return found.some(({ changes }) => changes.length > 0) ? 1 : 0;
  }
  if (values.again && (only === undefined || tool !== undefined)) throw new UsageError('tools approve SERVER --again');
  const unseen = values.yes && !values['accept-suspected'];
  return approve(found, tool, { yes: values.yes, unseen, again: values.again }, lock, config, io, deps);
}

async function ask(
  name: string,
  config: Config,
  lock: Lock,
  client: string | undefined,
  deps: ToolsDeps,
): Promise<Found> {
  const server = config.servers[name] as Config['servers'][string];
  const locked = lockedFor(name, server, config, lock);
  const npm = async () =>
    (await import('../control-plane/packages/npm-settings.ts')).npmSettings(config.directory, deps.env ?? process.env);
  if (server.url === undefined)
    await ensureFiles(locked, server, config, new Store(config.state), npm, `${process.platform}-${process.arch}`);
  const live = pinsOf(await deps.describe(runtimeServer(name, server, locked, config), client));
  const changes = diffPins(pinnedServer(name, locked), live, pinnedElsewhere(lock, name));
  return { name, locked, live, changes, suspects: suspectsOf(live, toolsOfOthers(lock, name)) };
}

function list(names: readonly string[], config: Config, lock: Lock, io: Io): number {
  const servers = names.map((name) => ({
    name,
    locked: lockedFor(name, config.servers[name] as Config['servers'][string], config, lock),
  }));
  if (io.json) {
    const rows = servers.map(({ name, locked: { source, provenance, openLevels, pins } }) => ({
      name,
      source,
      provenance,
      openLevels,
      tools: pins.tools.map(({ name: tool, digest }) => ({ name: tool, digest })),
      prompts: pins.prompts.map(({ name: prompt, digest }) => ({ name: prompt, digest })),
      resourceTemplates: pins.resourceTemplates.map(({ name: template, digest }) => ({ name: template, digest })),
    }));
    io.stdout(`${JSON.stringify({ servers: rows })}\n`);
    return 0;
  }
  for (const { name, locked } of servers) {
    io.stdout(`${name}: ${locked.source}${locked.provenance === undefined ? '' : ` (${locked.provenance})`}\n`);
    for (const { name: tool, digest } of locked.pins.tools) io.stdout(`  ${printable(tool)}  ${digest}\n`);
    for (const { name: prompt, digest } of locked.pins.prompts) io.stdout(`  prompt ${printable(prompt)}  ${digest}\n`);
    for (const { name: template, digest } of locked.pins.resourceTemplates)
      io.stdout(`  resource template ${printable(template)}  ${digest}\n`);
  }
  return 0;
}

function print(found: readonly Found[], io: Io): void {
  if (io.json) {
    io.stdout(
      `${JSON.stringify({ servers: found.map(({ name, changes, suspects }) => ({ name, changes, suspects })) })}\n`,
    );
    return;
  }
  for (const { name, changes, suspects } of found) {
    io.stdout(`${name}: ${changes.length === 0 ? 'as pinned' : `${changes.length} differences`}\n`);
    for (const { item, change, field = '', pinned, live } of changes) {
      io.stdout(`  ${printable(item)} ${change}${field === '' ? '' : ` ${printable(field)}`}\n`);
      if (pinned !== undefined) io.stdout(`    - ${printable(JSON.stringify(pinned))}\n`);
      if (live !== undefined) io.stdout(`    + ${printable(JSON.stringify(live))}\n`);
    }
    for (const line of suspectLines(suspects)) io.stdout(`  ${printable(line)}\n`);
  }
}

async function approve(
  found: readonly Found[],
  tool: string | undefined,
  { yes, unseen, again }: { readonly yes: boolean; readonly unseen: boolean; readonly again: boolean },
  lock: Lock,
  config: Config,
  io: Io,
  deps: ToolsDeps,
): Promise<number> {
  const person = 'ask' in deps ? deps.ask : personAtTerminal();
  const changed = again ? found : found.filter(({ changes }) => changes.length > 0);
  print(found, io);
  if (changed.length === 0) return 0;
  const approved = changed.map(({ name, locked, live }) => {
    const pins = pinnedServer(name, locked);
    return { name, locked, pins: tool === undefined ? live : { ...pins, tools: oneTool(tool, pins, live) } };
  });
  for (const { name, pins } of approved)
    demandServable(deps.inspect, name, pins.tools, config.servers[name]?.tools ?? {});
  const next = approved.reduce(
    (before, { name, locked, pins }) =>
      withLocked(before, name, {
        ...withPins(locked, pins, toolsOfOthers(lock, name)),
        ...(again && { reviews: (locked.reviews ?? 0) + 1 }),
      }),
    lock,
  );
  for (const { name, locked } of approved)
    if (unseen) demandAccepted(name, next.servers[name]?.suspects ?? {}, locked.suspects);
  if (!yes && person === undefined)
    throw new SafetyError('there is nobody to ask', 'add --yes when the differences have been reviewed');
  const what = tool === undefined ? changed.map(({ name }) => name).join(', ') : `${changed[0]?.name}/${tool}`;
  const question = `Pin what ${what} says now${again ? ', and let it be called again' : ''}?`;
  if (!yes && !(await person?.(question))) throw new SafetyError('not approved; the pins stay');
  if (lockText(readLock(config.directory)) !== lockText(lock))
    throw configError(lockPath(config.directory), 'the lock was changed meanwhile', 'run tools approve again');
  replaceFiles([{ path: lockPath(config.directory), text: lockText(next) }]);
  io.stderr(`pinned ${what}\n`);
  return 0;
}

/** The pinned tools with one of them as it is now: replaced in its place, added at the end, or gone. */
function oneTool(tool: string, pinned: Pins, live: Pins): Pins['tools'] {
  const now = live.tools.find(({ name }) => name === tool);
  const known = pinned.tools.some(({ name }) => name === tool);
  if (now === undefined && !known) throw new UsageError(`there is no tool ${tool}, neither pinned nor live`);
  if (!known) return now === undefined ? pinned.tools : [...pinned.tools, now];
  return pinned.tools.flatMap((pin) => (pin.name === tool ? (now === undefined ? [] : [now]) : [pin]));
}
