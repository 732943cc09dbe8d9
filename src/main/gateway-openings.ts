import { hash } from 'node:crypto';
import type { AuditSink } from '../contract/audit-sink.ts';
import type { SealKey, StateStore } from '../contract/state-store.ts';
import type { GatewayOpening } from '../contract/zone-link.ts';
import { AuditLogBroken, openFileSink } from '../drivers/audit-sink/file.ts';
import { memoryStore } from '../drivers/state-store/memory.ts';
import { openRedisStore } from '../drivers/state-store/redis.ts';
import { type AuditDeps, edgeBudget } from '../gateway/audit/trail.ts';
import { redact } from '../gateway/output-sanitization/redact.ts';
import { lentValues } from './lent-values.ts';
import { textOf } from './log.ts';
import { STATE_STORE } from './start-faults.ts';

interface StateNews {
  /** What the bundle in force says. */
  readonly seals: () => readonly SealKey[];
  /** Of the store. @param alert whether somebody should look at it now */
  readonly told: (detail: string, alert: boolean) => void;
}

/**
 * @throws Error naming what of the state store does not work: a replay could not be told
 */
export async function openState(
  { stateStore: where, stateNames: names, spent }: GatewayOpening,
  { seals, told }: StateNews,
): Promise<StateStore> {
  if (where === 'memory') return memoryStore(Date.now, { spent });
  try {
    return await openRedisStore(where, {
      ...{ names, seals, spent },
      told: (event) =>
        'back' in event ? told('the state store is back', false) : told(`the state store is away: ${event.away}`, true),
    });
  } catch (error) {
    throw new Error(`${STATE_STORE}${textOf(error)}`);
  }
}

/** @throws AuditLogBroken: what cannot be recorded is not served */
export function openAudit(file: string, key: string): AuditSink {
  try {
    return openFileSink(file, key, Date.now);
  } catch (error) {
    if (error instanceof AuditLogBroken) throw error;
    throw new AuditLogBroken(`${file} cannot be written: ${textOf(error)}; see who owns it, and its mode`);
  }
}

/** @param perSecond anonymous refusals that are recorded one by one */
export function auditDeps(sink: AuditSink, perSecond: number): AuditDeps {
  return {
    sink,
    now: Date.now,
    redact: (text) => redact(lentValues.strip(text)),
    digest: (raw) => hash('sha256', raw, 'base64url'),
    edgeBudget: edgeBudget(perSecond, Date.now),
  };
}
