import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { replaceFiles } from '../control-plane/config/atomic.ts';
import { withServer } from '../control-plane/config/edit.ts';
import { type Config, loadConfig, parseConfig } from '../control-plane/config/load.ts';
import { own } from '../control-plane/config/own.ts';
import { configError, SafetyError } from '../control-plane/config/problem.ts';
import type { ServerSettings } from '../control-plane/config/schema.ts';
import { sigstoreRoot, type TrustedRoot } from '../control-plane/packages/attestation.ts';
import { copyDirectory } from '../control-plane/packages/directory.ts';
import {
  type Lock,
  type LockedServer,
  lockPath,
  lockText,
  readLock,
  withLocked,
} from '../control-plane/packages/lock.ts';
import { npmSettings } from '../control-plane/packages/npm-settings.ts';
import { type Installed, installPackage } from '../control-plane/packages/package-server.ts';
import { runtimeServer, sourceOf } from '../control-plane/packages/pins-for.ts';
import { type Describe, demandServable, type Inspect, lockedServer } from '../control-plane/packages/review.ts';
import { type Bundle, type StartPin, startPin } from '../control-plane/packages/start-pin.ts';
import { Store } from '../control-plane/packages/store.ts';
import {
  demandAccepted,
  demandHistoryAccepted,
  type Suspects,
  shadows,
  suspectLines,
  toolsOfOthers,
} from '../control-plane/packages/suspects.ts';
import type { RunSemgrep } from '../control-plane/scan/semgrep/semgrep.ts';
import { addRequest, blockFor } from './add-request.ts';
import { type Ask, type Io, personAtTerminal, printable } from './terminal.ts';

interface AddDeps {
  /** Absolute paths. */
  readonly config: string;
  readonly state: string;
  readonly describe: Describe;
  readonly bundle: Bundle;
  readonly inspect: Inspect;
  readonly semgrep: RunSemgrep;
  /** Default: the person at the terminal, where there is one. */
  readonly ask?: Ask;
  /** Default: this process's. Says how the registry is reached. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Default: Sigstore's. */
  readonly trustedRoot?: () => Promise<TrustedRoot>;
  /** Milliseconds since the epoch. */
  readonly now?: () => number;
}

/**
 * `add`: vets a server, installs it, asks it in a sandbox what it offers, shows all of that, and, when told yes, writes
 * its block into the configuration and its pins into the lock. Whatever fails leaves configuration, lock and store as
 * they were.
 * @returns 0
 * @throws UsageError, ConfigError (exit 2), SafetyError (exit 3)
 */
export async function add(argv: readonly string[], io: Io, deps: AddDeps): Promise<number> {
  const file = deps.config;
  const request = addRequest(argv, deps.cwd ?? process.cwd(), dirname(file));
  const ask = 'ask' in deps ? deps.ask : personAtTerminal();
  if (!request.yes && ask === undefined)
    throw new SafetyError('there is nobody to ask', 'add --yes when what is found may be accepted unseen');
  const before = await loadConfig(file, deps.state);
  const text = readFileSync(file, 'utf8');
  const lock = readLock(before.directory);
  const edited = withServer(file, text, request.name, blockFor(request, before));
  const config = parseConfig(file, edited, deps.state);
  const server = own(config.servers, request.name);
  if (server === undefined) throw configError(file, `servers.${request.name} could not be written`);
  const store = new Store(config.state);
  // Each of these can take a minute.
  const begin = (what: string) => io.stderr(`${request.name}: ${what} …\n`);
  if (server.url === undefined) begin('fetching its files and what vouches for them');
  const installed = await install(server, config, lock, store, request.acceptUnverified, deps);
  try {
    const runs = runtimeServer(request.name, server, installed.locked, config);
    begin('asking it what it offers');
    const live = await deps.describe(runs, request.client);
    begin('looking into how it starts, and into its files');
    const start = await startPin(runs, live, deps.bundle, deps.describe);
    const others = toolsOfOthers(lock, request.name);
    const locked = lockedServer({ ...installed.locked, ...(start && { start }) }, live, others);
    demandServable(deps.inspect, request.name, locked.pins.tools, server.tools);
    const like = shadows(locked.pins.tools, others);
    const facts = [...installed.facts, ...(await scanned(store, locked, deps.semgrep))];
    if (!io.json) io.stdout(report(request.name, locked, facts, like));
    if (request.yes && !request.acceptSuspected) {
      const known = own(lock.servers, request.name);
      demandHistoryAccepted(request.name, locked.history, known?.history);
      demandAccepted(request.name, locked.suspects ?? {}, known?.suspects);
    }
    if (!request.yes && !(await ask?.(`Add ${request.name}?`))) throw new SafetyError('not added');
    const unchanged = readFileSync(file, 'utf8') === text && lockText(readLock(config.directory)) === lockText(lock);
    if (!unchanged) throw configError(file, 'the configuration or the lock was changed meanwhile', 'run add again');
    replaceFiles([
      { path: lockPath(config.directory), text: lockText(withLocked(lock, request.name, locked)) },
      { path: file, text: edited },
    ]);
    if (io.json) io.stdout(`${JSON.stringify({ name: request.name, facts, shadows: like, ...summary(locked) })}\n`);
    else io.stderr(`added ${request.name} to ${file} and innerkeep.lock\n`);
    return 0;
  } catch (error) {
    if (installed.fresh && installed.locked.digest !== undefined) await store.remove(installed.locked.digest);
    throw error;
  }
}

async function install(
  server: ServerSettings,
  config: Config,
  lock: Lock,
  store: Store,
  acceptUnverified: boolean,
  deps: AddDeps,
): Promise<Installed> {
  const source = sourceOf(server, config.directory);
  if (server.url !== undefined)
    return { locked: { source }, fresh: false, facts: ['remote: what it says is pinned, what it runs is not'] };
  const { root } = server;
  if (root !== undefined) {
    const { digest, fresh } = await store.add((directory) => copyDirectory(root, directory, config.state));
    return { locked: { source, digest, command: [...(server.command ?? [])] }, fresh, facts: [`files: ${digest}`] };
  }
  const platform = `${process.platform}-${process.arch}`;
  const npm = await npmSettings(config.directory, deps.env ?? process.env);
  const trustedRoot = deps.trustedRoot ?? (() => sigstoreRoot(npm));
  const packages = { store, npm, platform, trustedRoot, now: deps.now ?? Date.now };
  return installPackage(source, server.args ?? [], Object.values(lock.servers), acceptUnverified, packages);
}

/** A parser is loaded only where there is something to parse. */
async function scanned(store: Store, { digest }: LockedServer, semgrep: RunSemgrep): Promise<readonly string[]> {
  if (digest === undefined) return [];
  const { scanPaths } = await import('../control-plane/scan/scan.ts');
  const { files, findings } = await scanPaths([store.path(digest)], semgrep);
  const errors = findings.filter(({ rule }) => rule.level === 'error').length;
  return [`scanned: ${files} files, ${errors} errors, ${findings.length - errors} warnings (innerkeep scan)`];
}

function summary({ pins, openLevels, command, start, provenance, scripts = [], suspects = {} }: LockedServer) {
  const names = (list: readonly { readonly name: string }[]): readonly string[] => list.map(({ name }) => name);
  const { tools, prompts, resourceTemplates } = pins;
  return {
    command,
    start,
    provenance,
    scripts,
    tools: names(tools),
    prompts: names(prompts),
    resourceTemplates: names(resourceTemplates),
    openLevels,
    suspects,
  };
}

function startLines(start: StartPin): string[] {
  if ('plain' in start) return [`  started from its files: ${printable(start.plain)}`];
  if ('snapshot' in start) return [`  started from a snapshot: ${start.snapshot}`];
  const { bundle, noSnapshot } = start;
  return [`  started from one module: ${bundle}`, `  not from a snapshot: ${printable(noSnapshot ?? 'not tried')}`];
}

function report(name: string, locked: LockedServer, facts: readonly string[], like: Suspects): string {
  const { pins, openLevels, command, start, suspects = {} } = locked;
  const lines = [`${name}: ${locked.source}`, ...facts.map((fact) => `  ${printable(fact)}`)];
  if (command !== undefined) lines.push(`  command: ${printable(command.join(' '))}`);
  if (start !== undefined) lines.push(...startLines(start));
  lines.push(`  protocol: ${printable(pins.protocolVersion)}, ${printable(JSON.stringify(pins.serverInfo))}`);
  if (pins.instructions !== undefined) lines.push(`  instructions: ${printable(pins.instructions)}`);
  for (const [kind, list] of [
    ['tools', pins.tools],
    ['prompts', pins.prompts],
    ['resource templates', pins.resourceTemplates],
  ] as const) {
    lines.push(`  ${kind}: ${list.length === 0 ? 'none' : list.length}`);
    for (const pin of list) lines.push(`    ${printable(pin.name)}: ${printable(descriptionOf(pin.raw), 120)}`);
  }
  for (const [tool, levels] of Object.entries(openLevels))
    lines.push(
      `  open in ${tool}, closed by the gateway: ${levels.map((level) => printable(level === '' ? 'the root' : level)).join(' ')}`,
    );
  for (const [tool, others] of Object.entries(like))
    lines.push(
      `  named like another server's: ${printable(tool)} and ${others.map((other) => printable(other)).join(', ')}`,
    );
  lines.push(...suspectLines(suspects).map((line) => `  ${printable(line)}`));
  return `${lines.join('\n')}\n`;
}

function descriptionOf(raw: string): string {
  const { description } = JSON.parse(raw) as { readonly description?: unknown };
  return typeof description === 'string' ? description : 'no description';
}
