import type { LookupAddress } from 'node:dns';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { EgressAttempt, EgressRule } from '../../../src/contract/egress.ts';
import { Bounds, SERVER } from '../../../src/runtime/egress/bounds.ts';
import { type EgressProxy, openProxy } from '../../../src/runtime/egress/proxy.ts';
import type { Terminator } from '../../../src/runtime/egress/terminator.ts';

/** Addresses by name, or what finds them. */
export type Names = Readonly<Record<string, readonly string[]>> | ((name: string) => Promise<readonly string[]>);

/** A rule as the configuration has it when little is said; on the loopback, since all counterparts are there. */
export function rule(host: string, port: number, more: Partial<EgressRule> = {}): EgressRule {
  return { host, port, tls: true, inspect: false, network: '127.0.0.0/8', ...more };
}

/** One sandbox's proxy, and what was attempted through it. */
export class Way implements Disposable {
  readonly attempts: EgressAttempt[] = [];
  readonly proxy: EgressProxy;
  readonly #directory: string;

  static async open(rules: readonly EgressRule[], names: Names, terminator?: Terminator): Promise<Way> {
    const directory = mkdtempSync(join(tmpdir(), 'ik-egress-'));
    chmodSync(directory, 0o711);
    const attempts: EgressAttempt[] = [];
    const proxy = await openProxy({
      rules,
      directory,
      resolve: resolver(names),
      bounds: new Bounds(SERVER, Date.now),
      now: Date.now,
      witness: (attempt) => attempts.push(attempt),
      log: () => {},
      terminator,
    });
    return new Way(directory, proxy, attempts);
  }

  private constructor(directory: string, proxy: EgressProxy, attempts: EgressAttempt[]) {
    this.#directory = directory;
    this.proxy = proxy;
    this.attempts = attempts;
  }

  [Symbol.dispose](): void {
    this.proxy.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

function resolver(names: Names): (name: string) => Promise<readonly LookupAddress[]> {
  const find = typeof names === 'function' ? names : async (name: string) => names[name] ?? [];
  return async (name) =>
    (await find(name)).map((address) => ({ address, family: address.includes(':') ? 6 : 4 }) as const);
}
