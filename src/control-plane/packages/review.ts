import type { RuntimeServer } from '../../contract/bundle.ts';
import type { LiveDescriptors } from '../../contract/runtime-link.ts';
import type { LockedServer } from './lock.ts';
import { openLevels } from './open-levels.ts';
import type { LockedFiles } from './package-server.ts';
import { type Pins, pinsOf } from './pins.ts';

/** Asks a server, in a sandbox, what it offers. */
export type Describe = (server: RuntimeServer) => Promise<LiveDescriptors>;

/** The lock's entry of files and what their server says of itself. */
export function lockedServer(files: LockedFiles, live: LiveDescriptors): LockedServer {
  return withPins(files, pinsOf(live));
}

/** The entry with other pins. */
export function withPins(files: LockedFiles, pins: Pins): LockedServer {
  const levels: Record<string, string[]> = {};
  for (const tool of pins.tools) {
    const open = openLevels(tool);
    if (open.length > 0) levels[tool.name] = [...open];
  }
  return {
    ...files,
    openLevels: levels,
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
