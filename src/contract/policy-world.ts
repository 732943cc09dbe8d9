import type { GatewayBundle, GatewayServer } from './bundle.ts';

/** Where an OPA is that judges for a gateway: `http://` of this machine, `https://`, or `unix:` and the path of its socket. */
export interface OpaSettings {
  readonly url: string;
  /** PEM of its authorities; absent: the public ones. */
  readonly ca?: string | undefined;
}

/** What of a gateway its policies are about. */
export interface PolicyWorld {
  readonly servers: readonly WorldServer[];
  /** Facts of a request that only some gateways have. */
  readonly facts: { readonly ip_risk: boolean; readonly device: boolean };
}

export type WorldServer = Pick<GatewayServer, 'pins'> & Partial<Pick<GatewayServer, 'resource' | 'tools'>>;

export function worldOf({
  servers,
  ipRisk,
  issuers,
}: Pick<GatewayBundle, 'servers' | 'ipRisk'> & {
  readonly issuers: readonly { deviceClaim?: string | undefined }[];
}): PolicyWorld {
  const device = issuers.some(({ deviceClaim }) => deviceClaim !== undefined);
  return { servers, facts: { ip_risk: ipRisk !== undefined, device } };
}
