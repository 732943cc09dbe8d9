import { LINK_PULSE } from '../contract/control-link.ts';
import {
  type FromGateway,
  type FromLocalGateway,
  type GatewayOpening,
  type GatewayStart,
  SHOWN_PAGE,
  type ToGateway,
  type ToLocalGateway,
} from '../contract/zone-link.ts';
import { AuditLogBroken } from '../drivers/audit-sink/file.ts';
import { auditPage } from '../drivers/audit-sink/page.ts';
import { BundleRefused } from '../gateway/bundles/open-bundle.ts';
import { Silence } from '../gateway/bundles/silence.ts';
import { type ControlListener, controlListener } from '../gateway/control-link/listener.ts';
import { clock } from './clock.ts';
import type { GatewayKeep } from './gateway-keep.ts';
import { GatewayZone } from './gateway-zone.ts';
import { complain, log } from './log.ts';

/** Milliseconds between two looks at how long zone 0 has been silent. */
const LOOK_EVERY = 500;

/** Zone 1 that zone 0 has started on its own machine: its control connection opens when it is told where, it ends with its parent. */
export function gatewayZone(): void {
  const send = (message: FromLocalGateway): void => void process.send?.(message);
  let gateway: GatewayProcess | undefined;
  process.on('message', ({ start }: ToLocalGateway) => {
    gateway = new GatewayProcess(start);
    gateway.listen().then(
      () => send({ kind: 'dialable' }),
      (error: unknown) => send({ kind: 'refused', exit: 2, message: text(error) }),
    );
  });
  process.once('disconnect', () => {
    const closing = gateway?.close() ?? Promise.resolve();
    void closing.finally(() => process.exit(0));
  });
}

/** A gateway from its start to its end: hears zone 0, serves while it may, and keeps what a restart needs. */
export class GatewayProcess {
  readonly #start: GatewayStart;
  readonly #keep: GatewayKeep | undefined;
  readonly #control: ControlListener;
  readonly #silence = new Silence(() => performance.now());
  readonly #looks: NodeJS.Timeout;
  #zone: GatewayZone | undefined;
  #opening: GatewayOpening | undefined;
  #keptHeard = 0;
  #isServing = true;

  /** @param keep absent: zone 0 runs here, and nothing is served without it */
  constructor(start: GatewayStart, keep?: GatewayKeep) {
    this.#start = start;
    this.#keep = keep;
    this.#control = controlListener(start.identity, {
      up: () => log({ event: 'control', connected: true }),
      message: (message) => void this.#receive(message).catch(complain),
      down: () => {
        log({ event: 'control', connected: false });
        this.#zone?.lost();
      },
      report: (detail) => log({ event: 'control', detail }),
    });
    this.#looks = setInterval(() => this.#look(), LOOK_EVERY);
  }

  /** @returns the port where zone 0 dials it. @throws the listener's own error */
  listen(): Promise<number> {
    return this.#control.listen(this.#start.control);
  }

  /** Serves by what was kept, if it still may: zone 0 may be away. What cannot be used is told, and zone 0 waited for. */
  async takeUp(): Promise<void> {
    const keep = this.#keep;
    if (keep?.opening === undefined || keep.envelope === undefined) return;
    this.#silence.broken(keep.heard, clock);
    try {
      await this.#open(keep.opening);
      const held = await this.#zone?.apply(keep.envelope);
      log({ event: 'taken-up', ...held });
      this.#look();
    } catch (error) {
      log({ event: 'fault', error: `what was kept cannot be used: ${text(error)}` });
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#looks);
    this.#control.close();
    await this.#zone?.close();
  }

  async #receive(message: ToGateway): Promise<void> {
    this.#heard();
    switch (message.kind) {
      case 'pulse':
        return;
      case 'status':
        return this.#say(this.#status());
      case 'show':
        return this.#say(this.#shown(message.after));
      case 'open':
        return this.#answer(async () => ({ kind: 'listening', port: await this.#open(message.opening) }));
      case 'rehearse':
        return this.#answer(async () => ({
          kind: 'rehearsed',
          rehearsal: await this.#opened().rehearse(message.bundle, message.last),
        }));
      case 'audit':
        return this.#answer(() => ({ kind: 'audited', ...auditPage(this.#start.auditFile, message.after) }));
      case 'bundle':
        return this.#answer(async () => ({ kind: 'applied', held: await this.#opened().apply(message.envelope) }));
      case 'certificate':
        return this.#zone?.renew(message);
      case 'identity':
        return this.#renew(message);
      case 'leased':
        return this.#zone?.lender.leased(message.id, message.answer);
      case 'proved':
        return this.#zone?.lender.proved(message.id, message.proof);
      case 'visited':
        return this.#zone?.visited(message.visit);
      case 'confirmation':
        return this.#zone?.confirmations.answered(message.id, message.answer);
      case 'issued':
        return this.#zone?.pages.answered(message.id, message.answer);
    }
  }

  async #answer(work: () => FromGateway | Promise<FromGateway>): Promise<void> {
    try {
      this.#say(await work());
    } catch (error) {
      const isSafety = error instanceof BundleRefused || error instanceof AuditLogBroken;
      this.#say({ kind: 'refused', exit: isSafety ? 3 : 2, message: text(error) });
    }
  }

  #say(message: FromGateway): void {
    this.#control.send(message);
  }

  #status(): FromGateway {
    const [held, port] = [this.#zone?.held, this.#zone?.port];
    return {
      kind: 'status',
      serving: this.#isServing && held !== undefined,
      ...(held && { held }),
      ...(port && { port }),
    };
  }

  #shown(after: number): FromGateway {
    const envelope = this.#keep?.envelope ?? '';
    return { kind: 'shown', text: envelope.slice(after, after + SHOWN_PAGE), size: envelope.length };
  }

  #opened(): GatewayZone {
    if (this.#zone === undefined) throw new Error('the edge is not open yet');
    return this.#zone;
  }

  async #open(opening: GatewayOpening): Promise<number> {
    if (this.#zone !== undefined) return this.#moved(opening);
    const { identity, runtimeSocket, auditFile } = this.#start;
    this.#zone = await GatewayZone.open(
      { ...opening, ...this.#start.edge },
      {
        send: (message) => this.#control.send(message),
        bundleKey: identity.bundleKey,
        runtimeSocket,
        auditFile,
        keep: (envelope) => {
          if (this.#keep !== undefined) this.#keep.envelope = envelope;
        },
      },
    );
    this.#opening = opening;
    if (this.#keep !== undefined) this.#keep.opening = opening;
    return this.#zone.port;
  }

  /** Zone 0 was started again, or this gateway was. Only a start opens another edge. */
  #moved(opening: GatewayOpening): number {
    const { key, cert } = opening;
    if (placeOf(opening) !== placeOf(this.#opening ?? opening))
      throw new Error('its edge is open with other settings; start the gateway again');
    this.#opened().renew({ key, cert });
    if (this.#keep !== undefined) this.#keep.opening = opening;
    return this.#opened().port;
  }

  #renew({ key, cert }: { readonly key: string; readonly cert: string }): void {
    this.#control.renew({ key, cert });
    if (this.#keep !== undefined) this.#keep.identity = { ...this.#start.identity, key, cert };
  }

  #heard(): void {
    this.#silence.heard();
    if (!this.#isServing) {
      this.#isServing = true;
      this.#zone?.resume();
    }
    if (this.#keep === undefined || clock.now() - this.#keptHeard < LINK_PULSE) return;
    this.#keptHeard = clock.now();
    this.#keep.heard = this.#keptHeard;
  }

  /** After so long without zone 0 nobody knows what it has withdrawn meanwhile: nothing is served any more. */
  #look(): void {
    const zone = this.#zone;
    if (zone?.held === undefined || !this.#isServing || this.#silence.lasts <= zone.away) return;
    this.#isServing = false;
    zone.suspend(`zone 0 has been silent for more than ${zone.away / 1000} s: nothing is served until it is heard`);
  }
}

/** What only a start can change: certificates are renewed, and what was spent is told by this gateway itself. */
function placeOf({ key: _key, cert: _cert, spent: _spent, ...place }: GatewayOpening): string {
  return JSON.stringify(place);
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
