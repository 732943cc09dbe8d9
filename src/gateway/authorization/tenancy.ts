import type { GatewayServer } from '../../contract/bundle.ts';

/**
 * Whether a subject of this tenant may reach the server's resources at all, whatever a policy says: the resource's
 * tenant (the server's own, or else each caller's) is the subject's. Without a tenant there is nothing to reach.
 */
export function sameTenant(tenant: string, server: Pick<GatewayServer, 'tenant'>): boolean {
  return tenant !== '' && (server.tenant ?? tenant) === tenant;
}
