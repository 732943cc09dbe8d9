import type { PinnedDescriptor } from '../../contract/descriptors.ts';
import { SUSPECTED, suspicion } from '../../contract/untrusted-text/score.ts';
import { SafetyError } from '../config/problem.ts';
import type { Lock } from './lock.ts';
import { skeleton } from './name-distance.ts';
import type { Pins } from './pins.ts';

/** Item (`tools/echo`, `instructions`) → why it is suspected of giving orders to the model. */
export type Suspects = Readonly<Record<string, readonly string[]>>;

/** What a mention of another server's tool adds to what a description says besides. */
const MENTION = 0.5;

/**
 * Scores what a server says of itself, as the models of its callers will read it.
 * @param others names of tools of other servers, as `SERVER/TOOL`
 */
export function suspectsOf(pins: Pins, others: readonly string[]): Suspects {
  const found: Record<string, readonly string[]> = {};
  // Of a tool that it has itself, too, it speaks of its own.
  const own = new Set(pins.tools.map(({ name }) => name));
  const foreign = others.filter((other) => !own.has(toolOf(other)));
  const look = (item: string, raw: string): void => {
    const { score, reasons } = suspicion(raw, 'descriptor');
    const mentioned = mentions(raw, foreign);
    if (score + (mentioned.length > 0 ? MENTION : 0) >= SUSPECTED)
      found[item] = [...reasons, ...mentioned.map((tool) => `mentions ${tool}`)];
  };
  for (const { name, raw } of pins.tools) look(`tools/${name}`, raw);
  for (const { name, raw } of pins.prompts) look(`prompts/${name}`, raw);
  for (const { name, raw } of pins.resourceTemplates) look(`resourceTemplates/${name}`, raw);
  look('serverInfo', JSON.stringify(pins.serverInfo));
  if (pins.instructions !== undefined) look('instructions', pins.instructions);
  return found;
}

/** Only names that are no ordinary words: `send_mail`, `readFile`. */
function mentions(raw: string, others: readonly string[]): readonly string[] {
  const words = new Set(raw.match(/[A-Za-z0-9_-]{3,128}/g));
  return others.filter((other) => {
    const tool = toolOf(other);
    return /[a-z][_-]?[A-Z0-9]|[_-]/.test(tool) && words.has(tool);
  });
}

/** Tools whose names the eye takes for another server's: name → `SERVER/TOOL`. */
export function shadows(tools: readonly PinnedDescriptor[], others: readonly string[]): Suspects {
  const found: Record<string, readonly string[]> = {};
  for (const { name } of tools) {
    const like = others.filter((other) => skeleton(toolOf(other)) === skeleton(name));
    if (like.length > 0) found[name] = like;
  }
  return found;
}

/** The tools of all servers of the lock but one, as `SERVER/TOOL`. */
export function toolsOfOthers(lock: Lock, server: string): readonly string[] {
  return Object.entries(lock.servers)
    .filter(([name]) => name !== server)
    .flatMap(([name, { pins }]) => pins.tools.map((tool) => `${name}/${tool.name}`));
}

/** One line each, for whoever decides. */
export function suspectLines(suspects: Suspects): readonly string[] {
  return Object.entries(suspects).map(([item, reasons]) => `${item} SUSPECTED: ${reasons.join(', ')}`);
}

/**
 * What is suspected is pinned only by somebody who has read it: `--yes` alone accepts it unseen.
 * @param known what was suspected, and accepted, before
 * @throws SafetyError
 */
export function demandAccepted(server: string, suspects: Suspects, known: Suspects = {}): void {
  const fresh = Object.entries(suspects).filter(([item, reasons]) => known[item]?.join() !== reasons.join());
  if (fresh.length === 0) return;
  throw new SafetyError(
    `${server} gives orders to the model: ${suspectLines(Object.fromEntries(fresh)).join('; ')}`,
    'read them in full, and add --accept-suspected when they are what you want the model to be told',
  );
}

/**
 * The same for what a package's history is suspected of.
 * @throws SafetyError
 */
export function demandHistoryAccepted(
  server: string,
  history: readonly string[] = [],
  known: readonly string[] = [],
): void {
  if (history.every((reason) => known.includes(reason))) return;
  throw new SafetyError(
    `${server}: the history of its package is suspected: ${history.join(', ')}`,
    'find out who published it and why, and add --accept-suspected when it is what you want to run',
  );
}

function toolOf(name: string): string {
  return name.slice(name.indexOf('/') + 1);
}
