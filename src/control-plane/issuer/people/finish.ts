import type { Interaction } from 'oidc-provider';
import type { IssuerAnswer } from '../../../contract/zone-link.ts';

/** Hands what a person did to the provider, which goes on with the client's request in the same browser. */
export async function finish(
  interaction: Interaction,
  result: NonNullable<Interaction['result']>,
): Promise<IssuerAnswer> {
  interaction.result = { ...interaction.lastSubmission, ...result };
  await interaction.save(interaction.exp - Math.floor(Date.now() / 1000));
  return see(interaction.returnTo);
}

/** After a form: the browser asks for it with GET (RFC 9110 §15.4.4). */
export function see(location: string): IssuerAnswer {
  return {
    status: 303,
    headers: { location, 'cache-control': 'no-store' },
    body: '',
  };
}
