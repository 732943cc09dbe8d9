import { hash } from 'node:crypto';
import type { JWK } from 'jose';
import { z } from 'zod';
import type { SecretName } from '../../contract/secret-store.ts';
import { StateError } from '../pki/state-files.ts';
import type { Vault } from '../secrets/vault.ts';
import { NotAuthorized } from './fetching.ts';
import type { GrantRules } from './grant-rules.ts';

/** What an issuer has given us for one person. */
export interface Grant {
  readonly access: string;
  /** Milliseconds since the epoch: when the issuer says that it ends, and when it was given. */
  readonly until: number;
  readonly since: number;
  readonly refresh?: string | undefined;
  readonly scope: readonly string[];
  /** The private key that it is bound to (RFC 9449). */
  readonly key?: JWK | undefined;
}

const grant = z.strictObject({
  access: z.string(),
  until: z.number(),
  since: z.number(),
  refresh: z.string().optional(),
  scope: z.array(z.string()),
  key: z.record(z.string(), z.unknown()).optional(),
});
const parts = z.tuple([z.string(), z.string(), z.string(), z.string(), z.string()]);

/** Whose grant it is, and for what. */
export interface Grantee extends Pick<GrantRules, 'server' | 'url' | 'issuer' | 'audience' | 'clientId'> {
  readonly subject: string;
  readonly tenant: string;
}

/** Grants that are kept. */
const MOST = 10_000;

interface Kept {
  readonly whose: Grantee;
  readonly grant: Grant;
  /** Counts what the issuer gave for it. */
  readonly version: number;
}

/** Grants, in memory and sealed on disk; each is one person's, one tenant's, one issuer's and one audience's. */
export class GrantStore {
  readonly #vault: Vault;
  readonly #kept = new Map<string, Kept>();
  /** Whose a token is, by its SHA-256. */
  readonly #owners = new Map<string, string>();

  /** @throws StateError when one of them was altered */
  constructor(vault: Vault) {
    this.#vault = vault;
    for (const name of vault.list()) {
      const found = vault.newest(name);
      if (found === undefined)
        throw new StateError(
          `grants: the file of ${name.subject} of ${name.tenant} is not where it was written; remove it`,
        );
      this.#keep({
        whose: granteeOf(name),
        grant: grant.parse(JSON.parse(found.value)) as Grant,
        version: found.version,
      });
    }
  }

  find(whose: Grantee): Pick<Kept, 'grant' | 'version'> | undefined {
    return this.#kept.get(keyOf(whose));
  }

  /**
   * In the place of what was there; on disk when it returns.
   * @throws NotAuthorized when another person has the very same token, or there is no room
   */
  put(whose: Grantee, given: Grant): void {
    const owner = this.#owners.get(digestOf(given.access)) ?? ownerOf(whose);
    if (owner !== ownerOf(whose))
      throw new NotAuthorized(`${whose.issuer} gave the token of another person: a shared identity is nobody's`);
    if (this.#kept.size >= MOST && this.find(whose) === undefined)
      throw new NotAuthorized(`more than ${MOST} persons and servers`);
    const version = this.#vault.replace(nameOf(whose), JSON.stringify(given));
    this.#forget(whose);
    this.#keep({ whose, grant: given, version });
  }

  /** @returns what was there */
  remove(whose: Grantee): Grant | undefined {
    const { grant: old } = this.find(whose) ?? {};
    this.#forget(whose);
    this.#vault.remove(nameOf(whose));
    return old;
  }

  list(): readonly { readonly whose: Grantee; readonly grant: Grant }[] {
    return [...this.#kept.values()];
  }

  #keep(kept: Kept): void {
    this.#kept.set(keyOf(kept.whose), kept);
    this.#owners.set(digestOf(kept.grant.access), ownerOf(kept.whose));
  }

  #forget(whose: Grantee): void {
    const old = this.find(whose);
    if (old !== undefined) this.#owners.delete(digestOf(old.grant.access));
    this.#kept.delete(keyOf(whose));
  }
}

function nameOf({ server, url, issuer, audience, clientId, subject, tenant }: Grantee): SecretName {
  return { ref: JSON.stringify([server, url, issuer, audience, clientId]), tenant, subject };
}

function granteeOf({ ref, tenant, subject = '' }: SecretName): Grantee {
  const [server, url, issuer, audience, clientId] = parts.parse(JSON.parse(ref));
  return { server, url, issuer, audience, clientId, tenant, subject };
}

function keyOf(whose: Grantee): string {
  return JSON.stringify(nameOf(whose));
}

function ownerOf({ tenant, subject }: Grantee): string {
  return JSON.stringify([tenant, subject]);
}

function digestOf(token: string): string {
  return hash('sha256', token, 'base64url');
}
