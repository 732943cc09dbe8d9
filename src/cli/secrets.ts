import { z } from 'zod';
import { isPlainName } from '../contract/identity.ts';
import type { SecretName } from '../contract/secret-store.ts';
import { isSubject, SECRET_REF, valueFault } from '../control-plane/secrets/names.ts';
import { Vault } from '../control-plane/secrets/vault.ts';
import { connectAdmin } from './admin-client.ts';
import { options, UsageError } from './options.ts';

interface Io {
  readonly json: boolean;
  readonly stateDir: string;
  /** The value, from a pipe or from somebody who types it. */
  readonly ask: (question: string) => Promise<string>;
  stdout(text: string): void;
}

const leases = z.strictObject({
  leases: z.array(
    z.strictObject({
      id: z.string(),
      ref: z.string(),
      version: z.number(),
      server: z.string(),
      tenant: z.string(),
      subject: z.string(),
      incident: z.string(),
      until: z.number(),
    }),
  ),
});

/**
 * `secrets put | rotate REF --tenant T [--subject S]`: the first value of a secret, or its next; from standard input.
 * `rm REF …` takes all its versions away, `ls` names what there is, `leases` what is lent at this moment.
 * @throws UsageError, NotRunning (exit 2), StateError (exit 3)
 */
export async function secrets(argv: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = options(argv, { tenant: { type: 'string' }, subject: { type: 'string' } }, 2);
  const [verb = '', ref] = positionals;
  const named = ref !== undefined || values.tenant !== undefined || values.subject !== undefined;
  if ((verb === 'ls' || verb === 'leases') && named) throw new UsageError(`secrets ${verb} takes no name`);
  switch (verb) {
    case 'ls':
      return list(io);
    case 'leases':
      return running(io);
    case 'put':
    case 'rotate':
      return write(verb, nameOf(ref, values), io);
    case 'rm':
      return remove(nameOf(ref, values), io);
    default:
      throw new UsageError('secrets put | rotate | rm REF --tenant T [--subject S], secrets ls, secrets leases');
  }
}

async function write(verb: 'put' | 'rotate', name: SecretName, io: Io): Promise<number> {
  const vault = new Vault(io.stateDir, Date.now);
  const there = vault.has(name);
  if (there !== (verb === 'rotate'))
    throw new UsageError(there ? `${words(name)} is there already; rotate it` : `there is no ${words(name)}; put it`);
  const value = await io.ask(`value of ${words(name)}`);
  const fault = valueFault(value);
  if (fault !== undefined) throw new UsageError(`the value is ${fault}`);
  const version = vault.put(name, value);
  io.stdout(io.json ? `${JSON.stringify({ ...name, version })}\n` : `${words(name)}: version ${version}\n`);
  return 0;
}

function remove(name: SecretName, io: Io): number {
  if (!new Vault(io.stateDir, Date.now).remove(name)) throw new UsageError(`there is no ${words(name)}`);
  io.stdout(io.json ? `${JSON.stringify({ ...name, removed: true })}\n` : `${words(name)}: removed\n`);
  return 0;
}

function list(io: Io): number {
  const all = new Vault(io.stateDir, Date.now).list();
  if (io.json) io.stdout(`${JSON.stringify({ secrets: all })}\n`);
  else
    for (const { versions, ...name } of all) {
      const [newest] = versions;
      io.stdout(`${words(name)}: version ${newest?.version} of ${newest?.created}, ${versions.length} kept\n`);
    }
  return 0;
}

async function running(io: Io): Promise<number> {
  const found = leases.parse(await connectAdmin(io.stateDir).call('GET', '/admin/leases'));
  if (io.json) io.stdout(`${JSON.stringify(found)}\n`);
  else
    for (const { ref, version, server, tenant, subject, incident, until } of found.leases)
      io.stdout(
        `${ref} version ${version}: ${subject} of ${tenant}, ${server}, incident ${incident}, until ${new Date(until).toISOString()}\n`,
      );
  return 0;
}

function nameOf(ref: string | undefined, { tenant, subject }: { tenant?: string; subject?: string }): SecretName {
  if (ref === undefined || !SECRET_REF.test(ref))
    throw new UsageError('a secret is called a-z, 0-9, dot, underscore and hyphen, at most 64, from a letter on');
  if (tenant === undefined) throw new UsageError('--tenant is missing: there is no secret of nobody');
  if (!isPlainName(tenant)) throw new UsageError('--tenant is no plain name');
  if (subject !== undefined && !isSubject(subject)) throw new UsageError('--subject is no plain name');
  return { ref, tenant, subject };
}

function words({ ref, tenant, subject }: SecretName): string {
  return `${ref} of ${subject === undefined ? 'the tenant' : `${subject} of`} ${tenant}`;
}
