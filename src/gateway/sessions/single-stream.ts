import type { Subject } from '../../contract/tool-call.ts';
import { type Bearer, Carrier } from './carrier.ts';
import type { Outlet } from './outlet.ts';
import type { StreamDeps, Streams } from './streams.ts';

/** The one stream of a session over HTTP+SSE, for all there is to say; it cannot be resumed (MCP 2024-11-05 transports). */
export class SingleStream implements Streams, Outlet {
  readonly carrier: Carrier;

  constructor(call: Bearer, { clock, onOver }: StreamDeps) {
    this.carrier = new Carrier(call, clock, onOver);
  }

  get isOpen(): boolean {
    return !this.carrier.isOver;
  }

  /** The first event tells where to post to. */
  announce(endpoint: string): void {
    this.carrier.send({ event: 'endpoint', data: endpoint });
  }

  outlet(): Outlet {
    return this;
  }

  join(): void {}

  send(message: string): boolean {
    return this.carrier.send({ data: message });
  }

  notify(message: string): void {
    this.send(message);
  }

  leave(answer: string | undefined): void {
    if (answer !== undefined) this.send(answer);
  }

  revoke(which: (subject: Subject) => boolean): void {
    if (which(this.carrier.subject)) this.carrier.end();
  }

  end(): void {
    this.carrier.end();
  }
}
