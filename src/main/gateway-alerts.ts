import { log } from './log.ts';

/** What somebody should look at now, of each gateway, until it is over. */
export class GatewayAlerts {
  readonly #open = new Map<string, ReadonlyMap<string, string>>();

  /** @param about what it is about; there is one of each. @param detail undefined: it is over */
  set(gateway: string, about: 'audit' | 'registry' | 'budgets' | 'pages', detail: string | undefined): void {
    const all = new Map(this.#open.get(gateway));
    if (detail === undefined) all.delete(about);
    else all.set(about, detail);
    this.#open.set(gateway, all);
    log({ event: 'alert', gateway, about, ...(detail === undefined ? { over: true } : { alert: true, detail }) });
  }

  of(gateway: string): readonly string[] {
    return [...(this.#open.get(gateway)?.values() ?? [])];
  }
}
