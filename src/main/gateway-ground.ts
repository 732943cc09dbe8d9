import type { GatewayBundle } from '../contract/bundle.ts';
import type { Confirmation } from '../contract/step-up.ts';
import type { FromGateway, IssuerAnswer } from '../contract/zone-link.ts';

/** What outlives a gateway's bundles and its connections with zone 0, and is not in what zone 0 tells it. */
export interface GatewayGround {
  /** @returns false when zone 0 is not there */
  readonly send: (message: FromGateway) => boolean;
  /** Zone 0's public key, PEM. */
  readonly bundleKey: string;
  readonly runtimeSocket: string;
  readonly auditFile: string;
  /** Writes a bundle that can be used where the next start finds it. */
  readonly keep: (envelope: string) => void;
}

/** Of clients' certificates: whoever has one of another authority is nobody. */
export function authoritiesOf({ edge, spiffe }: GatewayBundle): readonly string[] {
  return [...(edge.clientCa === undefined ? [] : [edge.clientCa]), ...(spiffe?.x509 ?? [])];
}

/** What counts as zone 0's answer while it is away. */
export const NOBODY: Confirmation = { kind: 'full' };
export const UNAVAILABLE: IssuerAnswer = { status: 503, headers: {}, body: '' };
