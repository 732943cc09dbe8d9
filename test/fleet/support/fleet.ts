import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { enrol } from '../../../src/main/fleet.ts';
import { startRemote } from '../../clients/support/remote.ts';
import { ZoneProcess } from '../../control-plane/support/zones.ts';
import { type RedisServer, redisServer } from '../../state/support.ts';
import { freePort } from '../../support/free-port.ts';
import { post } from '../../support/http.ts';
import { Workspace } from '../../support/product.ts';
import { until } from '../../support/until.ts';
import { front } from './front.ts';

const TOOLS = ['echo', 'deploy', 'summarise', 'where'];
const ASKS = ['elicitation/create', 'sampling/createMessage', 'roots/list'];
const actions = (server: string): string =>
  [...TOOLS.map((tool) => `${server}/${tool}`), ...ASKS.map((method) => `${server}#${method}`)]
    .map((name) => `Action::"${name}"`)
    .join(', ');
/** What everybody of acme may do at the two servers. */
export const policy = ['old', 'new']
  .map(
    (server) => `permit (principal in Tenant::"acme", action in [${actions(server)}], resource == Tenant::"acme");\n`,
  )
  .join('');

export interface FleetWish {
  readonly replicas?: number;
  /** Lines of the configuration beside the fleet's own. */
  readonly config?: string;
  readonly policy?: string;
  /** What is added before anything is started. */
  readonly prepare?: (workspace: Workspace) => Promise<void>;
}

const PLENTY = 'limits: { per_subject: { rate: 1000000/min, burst: 1000000 } }\n';

/**
 * Gateways as processes of their own, one zone 0, one real Redis, one address before them that keeps no client at a
 * replica, and two remote servers: `old` of 2025-11-25, `new` of 2026-07-28. Ends with its test.
 */
export class Fleet {
  readonly mcp: string;
  readonly redis: RedisServer;
  readonly workspace: Workspace;
  readonly control: ZoneProcess;
  readonly #replicas: ZoneProcess[] = [];
  /** Of the edges, to reach one of them past the front. */
  readonly ports: readonly number[];
  readonly #dialled: readonly number[];

  static async start(t: TestContext, wish: FleetWish = {}): Promise<Fleet> {
    const { replicas = 3, config = PLENTY } = wish;
    const redis = await redisServer(t);
    const [edge, ...others] = await Promise.all(Array.from({ length: 1 + 2 * replicas }, freePort));
    const [ports, dialled] = [others.slice(0, replicas), others.slice(replicas)];
    const gateways = dialled.map((port, at) => `edge-${at}: "127.0.0.1:${port}"`).join(', ');
    const workspace = new Workspace({
      'innerkeep.yaml': [
        `edge: { listen: "127.0.0.1:${edge}" }\nadmin: { listen: "127.0.0.1:0" }\nstate: "${redis.url}"\n`,
        `control: { gateways: { ${gateways} } }\n${config}`,
      ].join(''),
      'policies/all.cedar': '',
    });
    const path = (name: string): string => join(workspace.dir, name);
    for (const [name, era] of [['old', 'legacy'] as const, ['new', 'modern'] as const]) {
      const remote = await startRemote(era);
      t.after(remote.stop);
      await workspace.must('add', remote.url, '--name', name, '--yes');
    }
    await wish.prepare?.(workspace);
    writeFileSync(path('policies/all.cedar'), wish.policy ?? policy);
    for (const at of dialled.keys()) {
      const identity = await enrol(`edge-${at}`, path('innerkeep.yaml'), path('.innerkeep'));
      writeFileSync(path(`edge-${at}.json`), JSON.stringify(identity), { mode: 0o600 });
    }
    const control = await ZoneProcess.start(workspace.dir, ['control']);
    t.after(() => control.stop());
    const fleet = new Fleet(`https://localhost:${edge}/mcp`, redis, workspace, control, ports, dialled);
    t.after(() => Promise.all(fleet.#replicas.map((replica) => replica.stop())));
    for (const at of dialled.keys()) await fleet.startReplica(at);
    t.after(await front(edge ?? 0, ports));
    // After all who write there.
    t.after(() => workspace.remove());
    await Promise.all(ports.map((_, at) => fleet.serving(at)));
    return fleet;
  }

  constructor(
    mcp: string,
    redis: RedisServer,
    workspace: Workspace,
    control: ZoneProcess,
    ports: readonly number[],
    dialled: readonly number[],
  ) {
    this.mcp = mcp;
    this.redis = redis;
    this.workspace = workspace;
    this.control = control;
    this.ports = ports;
    this.#dialled = dialled;
  }

  /** Resolves when it can be dialled; `serving` when it serves. */
  async startReplica(at: number): Promise<void> {
    const where = ['--listen', `127.0.0.1:${this.#dialled[at]}`, '--edge', `127.0.0.1:${this.ports[at]}`];
    const own = ['--state', `edge-${at}`, '--identity', `edge-${at}.json`];
    this.#replicas[at] = await ZoneProcess.start(this.workspace.dir, ['gateway', ...where, ...own]);
  }

  replica(at: number): ZoneProcess {
    const found = this.#replicas[at];
    if (found === undefined) throw new Error(`no replica ${at}`);
    return found;
  }

  /** Resolves when this one serves by a bundle: strangers are then told so. */
  serving(at: number): Promise<void> {
    const own = { ready: { mcp: this.at(at) }, ca: this.ca };
    const asks = () => post(own, '{}', { headers: { host: new URL(this.mcp).host } });
    return until(() =>
      asks().then(
        ({ status }) => status === 421,
        () => false,
      ),
    );
  }

  /** The address of one replica, past the front; requests to it name the front's host and port. */
  at(replica: number): string {
    return `https://localhost:${this.ports[replica]}/mcp`;
  }

  get ca(): string {
    return readFileSync(join(this.workspace.dir, '.innerkeep/pki/ca.pem'), 'utf8');
  }

  token(subject = 'alice', ...argv: readonly string[]): Promise<string> {
    return this.workspace.token('--subject', subject, '--tenant', 'acme', '--ttl', '1h', ...argv);
  }
}
