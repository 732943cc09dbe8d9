import type { FlightLimits } from '../../contract/limits.ts';
import { Refusal } from '../../contract/refusal.ts';

/** Calls in flight somewhere, by tenant. */
class Room {
  readonly #byTenant = new Map<string, number>();
  #calls = 0;

  get isEmpty(): boolean {
    return this.#calls === 0;
  }

  /**
   * Whether one more of that tenant's has room. Half of it is nobody's alone; of the rest, whoever is there has the same
   * part, so that one who floods finds its own part full, and the others theirs free.
   */
  has(tenant: string, room: number): boolean {
    const own = this.#byTenant.get(tenant) ?? 0;
    if (this.#calls >= room) return false;
    if (this.#calls * 2 < room && own * 2 < room) return true;
    const tenants = Math.max(2, this.#byTenant.size + (own === 0 ? 1 : 0));
    return own < Math.max(1, Math.floor(room / tenants));
  }

  change(tenant: string, by: 1 | -1): void {
    const own = (this.#byTenant.get(tenant) ?? 0) + by;
    this.#calls += by;
    if (own > 0) this.#byTenant.set(tenant, own);
    else this.#byTenant.delete(tenant);
  }
}

/**
 * Back pressure of one gateway: what cannot be done soon is refused before anything is taken, reserved or begun for it.
 * Outlives bundles.
 */
export class Flights {
  readonly #all = new Room();
  readonly #servers = new Map<string, Room>();

  /**
   * One more call of that tenant to that server.
   * @returns what ends it, once
   * @throws Refusal overload
   */
  enter(server: string, tenant: string, { total, perServer }: FlightLimits): () => void {
    const own = this.#servers.get(server) ?? new Room();
    if (!own.has(tenant, perServer)) throw busy(`the room of ${tenant} at ${server}, of ${perServer} in all, is full`);
    if (!this.#all.has(tenant, total)) throw busy(`the room of ${tenant}, of ${total} in all, is full`);
    this.#servers.set(server, own);
    for (const room of [own, this.#all]) room.change(tenant, 1);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      for (const room of [own, this.#all]) room.change(tenant, -1);
      if (own.isEmpty && this.#servers.get(server) === own) this.#servers.delete(server);
    };
  }
}

function busy(detail: string): Refusal {
  return new Refusal('overload', `too many calls are in flight: ${detail}`);
}
