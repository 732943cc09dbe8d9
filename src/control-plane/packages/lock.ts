import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import type { PinnedServer } from '../../contract/descriptors.ts';
import { parseStrict } from '../../contract/strict-json.ts';
import { readText } from '../config/load.ts';
import { configError, SafetyError } from '../config/problem.ts';
import { SERVER_NAME } from '../config/schema.ts';
import { descriptorDigest } from './pins.ts';

const integrity = z.string().regex(/^sha(512|384|256)-[A-Za-z0-9+/=]+( sha(512|384|256)-[A-Za-z0-9+/=]+)*$/);
const json = z.record(z.string(), z.json());
const digest = z.string().regex(/^sha256-[0-9a-f]{64}$/);

const descriptor = z.strictObject({ name: z.string(), raw: z.string(), digest: z.string() });

const lockedPackage = z.strictObject({ name: z.string().optional(), version: z.string(), integrity });

const lockedServer = z.strictObject({
  /** `npm:NAME@VERSION`, `dir:PATH` relative to the configuration, or the URL. */
  source: z.string(),
  /** Of the package's tarball. */
  integrity: integrity.optional(),
  provenance: z.literal(['verified', 'unverified, accepted by operator']).optional(),
  /** Where the files are for one platform only. */
  platform: z.string().optional(),
  /** Of all files of the server's root. */
  digest: z.string().optional(),
  /** Inside the sandbox. */
  command: z.array(z.string()).optional(),
  /** What it is started from: modules with these digests, made of its files; or those themselves; and why no faster way. */
  start: z
    .union([
      z.strictObject({ snapshot: digest, bundle: digest }),
      z.strictObject({ bundle: digest, noSnapshot: z.string().optional() }),
      z.strictObject({ plain: z.string() }),
    ])
    .optional(),
  /** The configuration's arguments, which `command` ends with. */
  args: z.array(z.string()).optional(),
  /** Install scripts of the tree; never run. */
  scripts: z.array(z.string()).optional(),
  /** What was suspected of the package's history, and accepted. */
  history: z.array(z.string()).optional(),
  packages: z.record(z.string(), lockedPackage).optional(),
  /** Tool → JSON Pointers at which its own input schema lets anything in. */
  openLevels: z.record(z.string(), z.array(z.string())),
  /** What was suspected of giving orders to the model, and accepted; item → why. */
  suspects: z.record(z.string(), z.array(z.string())).optional(),
  /** How often it was let be called again after it had said something else than it was pinned with. */
  reviews: z.number().int().positive().optional(),
  pins: z.strictObject({
    protocolVersion: z.string(),
    capabilities: json,
    serverInfo: json,
    instructions: z.string().optional(),
    tools: z.array(descriptor),
    prompts: z.array(descriptor),
    resourceTemplates: z.array(descriptor),
  }),
});

const lockFile = z.strictObject({
  lockfileVersion: z.literal(1),
  servers: z.record(z.string().regex(SERVER_NAME), lockedServer),
});

export type LockedPackage = z.output<typeof lockedPackage>;
export type LockedServer = z.output<typeof lockedServer>;
export type Lock = z.output<typeof lockFile>;

const EMPTY_LOCK: Lock = { lockfileVersion: 1, servers: {} };

/** `innerkeep.lock` beside the configuration. */
export function lockPath(directory: string): string {
  return join(directory, 'innerkeep.lock');
}

/**
 * Reads the reviewed pins; none when there is no lock yet.
 * @throws ConfigError when it is not a lock, SafetyError when a descriptor is not the one that its digest names
 */
export function readLock(directory: string): Lock {
  const file = lockPath(directory);
  if (!existsSync(file)) return EMPTY_LOCK;
  const mend = 'restore it from version control, or remove it and add the servers again';
  let value: unknown;
  try {
    value = parseStrict(new TextEncoder().encode(readText(file, mend))).value;
  } catch (error) {
    throw configError(file, error instanceof Error ? error.message : String(error), mend);
  }
  const parsed = lockFile.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw configError(file, `${issue?.path.map(String).join('.')}: ${issue?.message}`, mend);
  }
  for (const [name, { pins }] of Object.entries(parsed.data.servers))
    for (const pin of [...pins.tools, ...pins.prompts, ...pins.resourceTemplates])
      if (descriptorDigest(pin.raw) !== pin.digest)
        throw new SafetyError(`${file}: the descriptor ${name}/${pin.name} is not the one that was reviewed`, mend);
  return parsed.data;
}

/** The same lock is always the same text: keys sorted, two spaces, a line break at the end. */
export function lockText(lock: Lock): string {
  return `${JSON.stringify(sorted(lock), null, 2)}\n`;
}

export function withLocked(lock: Lock, name: string, server: LockedServer): Lock {
  return { ...lock, servers: { ...lock.servers, [name]: server } };
}

export function pinnedServer(name: string, { pins, reviews }: LockedServer): PinnedServer {
  const { instructions, capabilities, serverInfo, ...rest } = pins;
  return {
    name,
    ...rest,
    capabilities: capabilities as PinnedServer['capabilities'],
    serverInfo: serverInfo as PinnedServer['serverInfo'],
    ...(instructions === undefined ? {} : { instructions }),
    ...(reviews === undefined ? {} : { reviews }),
  };
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, member]) => [key, sorted(member)]));
}
