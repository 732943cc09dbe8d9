import type { RuntimeServer } from '../../contract/bundle.ts';
import type { PinnedDescriptor, ToolSettings } from '../../contract/descriptors.ts';
import type { LiveDescriptors } from '../../contract/runtime-link.ts';
import { SafetyError } from '../config/problem.ts';
import type { LockedServer } from './lock.ts';
import { openLevels } from './open-levels.ts';
import type { LockedFiles } from './package-server.ts';
import { type Pins, pinsOf } from './pins.ts';
import { suspectsOf } from './suspects.ts';

/**
 * Asks a server, in a sandbox where it runs here, what it offers.
 * @param client file that says what a remote server's issuer knows us by; undefined: nothing was told to it beforehand
 */
export type Describe = (server: RuntimeServer, client?: string) => Promise<LiveDescriptors>;

/** A tool that the gateway could not serve as it describes itself; one of these would stop every start. */
export interface Unservable {
  readonly tool: string;
  /** With the tool's name. */
  readonly message: string;
  readonly mend: string;
}

/** Looks for such tools. */
export type Inspect = (
  server: string,
  tools: readonly PinnedDescriptor[],
  settings: Readonly<Record<string, ToolSettings>>,
) => readonly Unservable[];

/** @throws SafetyError when one of these tools could not be served */
export function demandServable(inspect: Inspect, ...server: Parameters<Inspect>): void {
  const found = inspect(...server);
  if (found.length === 0) return;
  const why = found.map(({ message, mend }) => `${server[0]}: ${message}; ${mend}`).join('\n');
  throw new SafetyError(`what cannot be enforced is not served, and would stop every start:\n${why}`);
}

/** The lock's entry of files and what their server says of itself. */
export function lockedServer(files: LockedFiles, live: LiveDescriptors, others: readonly string[]): LockedServer {
  return withPins(files, pinsOf(live), others);
}

/**
 * The entry with other pins.
 * @param others tools of other servers, as `SERVER/TOOL`
 */
export function withPins(files: LockedFiles, pins: Pins, others: readonly string[]): LockedServer {
  const levels: Record<string, string[]> = {};
  for (const tool of pins.tools) {
    const open = openLevels(tool);
    if (open.length > 0) levels[tool.name] = [...open];
  }
  const suspects: Record<string, string[]> = {};
  for (const [item, why] of Object.entries(suspectsOf(pins, others))) suspects[item] = [...why];
  return {
    ...files,
    openLevels: levels,
    suspects: Object.keys(suspects).length === 0 ? undefined : suspects,
    pins: {
      ...pins,
      capabilities: { ...pins.capabilities } as LockedServer['pins']['capabilities'],
      serverInfo: { ...pins.serverInfo } as LockedServer['pins']['serverInfo'],
      tools: [...pins.tools],
      prompts: [...pins.prompts],
      resourceTemplates: [...pins.resourceTemplates],
    },
  };
}
