import type { LinkAddress } from '../contract/control-link.ts';
import type { Config } from '../control-plane/config/load.ts';
import type { Pki } from '../control-plane/pki/pki.ts';
import { openRuntime } from './runtime-client.ts';
import type { Served } from './served.ts';
import { startWorkers } from './workers.ts';

/** Zones 1 and 2 as zone 0 has them: started here, or dialled elsewhere. */
export interface Zones {
  readonly gateways: Readonly<Record<string, LinkAddress>>;
  /** Resolves when one of them ended by itself, with the reason. */
  readonly failed: Promise<string>;
}

/**
 * @param workers gateways that share one port
 * @param undo gets what ends them, in the order in which they were started
 */
export async function zonesHere(
  { config, sandboxed }: Served,
  pki: Pki,
  workers: number,
  undo: (() => Promise<void>)[],
): Promise<Zones> {
  if (Object.keys(config.control.gateways).length > 0)
    throw config.fault({
      path: ['control', 'gateways'],
      message: '`innerkeep up` runs all zones on this machine',
      mend: 'take the gateways out, or run `innerkeep control`',
    });
  if (workers > 1 && config.stateStore === 'memory')
    throw config.fault({
      path: ['state'],
      message: `${workers} workers cannot share the memory of one process`,
      mend: 'name a Redis, such as redis://127.0.0.1:6379, or run without --workers',
    });
  const runtime = await openRuntime(sandboxed, config.state, (server, message) =>
    config.fault({ path: server === undefined ? [] : ['servers', server, 'mounts'], message }),
  );
  undo.push(() => runtime.stop());
  const gateways = await startWorkers(workers, runtime.socket, config.state, pki);
  undo.push(() => gateways.stop());
  const failed = Promise.race([runtime.zone.exited.then(() => 'the runtime zone ended'), gateways.failed]);
  return { gateways: gateways.gateways, failed };
}

/** @throws ConfigError when the configuration names no gateway, or no port that all of them have */
export function zonesElsewhere(config: Config): Zones {
  const { gateways } = config.control;
  if (Object.keys(gateways).length === 0)
    throw config.fault({
      path: ['control', 'gateways'],
      message: 'no gateway is named',
      mend: 'name each with HOST:PORT, or run `innerkeep up`',
    });
  if (config.edge.listen.port === 0)
    throw config.fault({ path: ['edge', 'listen'], message: 'the gateways of a fleet have one port', mend: 'name it' });
  return { gateways, failed: new Promise(() => undefined) };
}
