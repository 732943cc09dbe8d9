import { join } from 'node:path';
import type { LinkAddress } from '../contract/control-link.ts';
import type { Pki } from '../control-plane/pki/pki.ts';
import { controlSocket, LOCAL, type LocalGateway, type LocalStart, startLocalGateway } from './local-gateway.ts';
import { complain, log } from './log.ts';

/** Deaths in one minute after which it is no accident. */
const DEATHS = 5;
const MINUTE = 60_000;
/** Milliseconds before another one is started in its place. */
const PAUSE = 500;

export interface Workers {
  /** Where each is dialled, by name. */
  readonly gateways: Readonly<Record<string, LinkAddress>>;
  /** Resolves with the reason when they cannot be gone on with. */
  readonly failed: Promise<string>;
  stop(): Promise<void>;
}

/**
 * Starts `count` gateways on zone 0's own machine. One alone ends everything when it ends; of several, each that dies is
 * replaced while the others go on.
 * @throws SafetyError
 */
export async function startWorkers(count: number, runtimeSocket: string, state: string, pki: Pki): Promise<Workers> {
  const starts = Array.from({ length: count }, (_, at): LocalStart => {
    const name = at === 0 ? LOCAL : `${LOCAL}-${at + 1}`;
    const auditFile = name === LOCAL ? join(state, 'audit/audit.jsonl') : join(state, `audit/own-${name}.jsonl`);
    return { name, runtimeSocket, auditFile, pki };
  });
  const running = new Map<string, LocalGateway>();
  const { promise: failed, resolve: fail } = Promise.withResolvers<string>();
  const deaths: number[] = [];
  let isStopping = false;

  const watch = (start: LocalStart, gateway: LocalGateway): void => {
    running.set(start.name, gateway);
    void gateway.exited.then(() => {
      running.delete(start.name);
      if (!isStopping) ended(start);
    });
  };
  const ended = (start: LocalStart): void => {
    if (count === 1) {
      fail('the gateway zone ended');
      return;
    }
    const now = performance.now();
    deaths.push(now);
    if (deaths.filter((at) => at > now - MINUTE).length > DEATHS) {
      fail('gateways end again and again');
      return;
    }
    complain(`the gateway ${start.name} ended; another one takes its place`);
    setTimeout(() => void replace(start), PAUSE);
  };
  const replace = async (start: LocalStart): Promise<void> => {
    if (isStopping) return;
    try {
      const gateway = await startLocalGateway(start);
      if (isStopping) return void (await gateway.stop());
      watch(start, gateway);
      log({ event: 'replaced', gateway: start.name });
    } catch (error) {
      fail(`the gateway ${start.name} could not be started again: ${error instanceof Error ? error.message : error}`);
    }
  };
  const stop = async (): Promise<void> => {
    isStopping = true;
    await Promise.all([...running.values()].map((gateway) => gateway.stop()));
  };
  try {
    for (const start of starts) watch(start, await startLocalGateway(start));
  } catch (error) {
    await stop();
    throw error;
  }
  return { gateways: Object.fromEntries(starts.map((start) => [start.name, controlSocket(start)])), failed, stop };
}
