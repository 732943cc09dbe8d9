import type { Duplex } from 'node:stream';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import type { Clock } from '../../../contract/clock.ts';
import type { EgressRule } from '../../../contract/egress.ts';
import type { WireSecret } from '../../../contract/wire-secret.ts';
import { EgressDenied } from '../denied.ts';
import type { JudgedConnection, Terminator } from '../terminator.ts';
import { SandboxAuthority } from './authority.ts';
import { Credentials } from './credentials.ts';
import { carry } from './passage.ts';

/** Milliseconds. */
const HANDSHAKE = 10_000;
/** Certificates that are kept; names below a wildcard can be many. */
const MAX_CONTEXTS = 32;

/** Whether the TLS of a host ends at the proxy: to look inside, or to add a credential there. */
export function endsHere({ host, port, inspect }: EgressRule, secrets: readonly WireSecret[]): boolean {
  return inspect || secrets.some((secret) => secret.host === host && secret.port === port);
}

/** Ends the TLS of one sandbox's connections, with an authority that lives in this process and is trusted only there. */
export function terminatorFor(rules: readonly EgressRule[], secrets: readonly WireSecret[], clock: Clock): Terminator {
  const credentials = new Credentials(secrets, clock);
  const wants = (rule: EgressRule) => endsHere(rule, secrets);
  const authority = new SandboxAuthority(
    rules.filter(wants).map(({ host }) => host),
    clock.now(),
  );
  const contexts = new Map<string, SecureContext>();
  const contextOf = (name: string): SecureContext => {
    const made = contexts.get(name) ?? createSecureContext({ ...authority.identity(name), minVersion: 'TLSv1.2' });
    if (contexts.size >= MAX_CONTEXTS) contexts.clear();
    contexts.set(name, made);
    return made;
  };
  return {
    ca: authority.pem,
    wants,
    lend: (loan) => (loan === undefined ? credentials.end() : credentials.begin(loan)),
    async terminate({ client, name, rule, dial, spend }: JudgedConnection): Promise<void> {
      const tool = await handshake(client, name, contextOf(name));
      let fault: EgressDenied | undefined;
      const report = (detail: string, error?: unknown): void => {
        fault ??= error instanceof EgressDenied ? error : new EgressDenied('request', detail);
      };
      const over = new Promise((resolve) => tool.once('close', resolve));
      carry(tool, { target: { name, port: rule.port }, ca: rule.ca, credentials, dial, spend, report });
      await over;
      if (fault !== undefined) throw fault;
    },
  };
}

/** @throws EgressDenied */
function handshake(client: Duplex, name: string, secureContext: SecureContext): Promise<TLSSocket> {
  const tool = new TLSSocket(client, { isServer: true, secureContext, ALPNProtocols: ['http/1.1'] });
  return new Promise((resolve, reject) => {
    const failed = (why: string) => {
      reject(new EgressDenied('request', why));
      tool.destroy();
    };
    const late = setTimeout(() => failed('no TLS handshake in time'), HANDSHAKE);
    tool.on('error', (error) => failed(`TLS with the tool failed: ${error.message}`));
    tool.on('_tlsError', (error: Error) => failed(`TLS with the tool failed: ${error.message}`));
    tool.once('close', () => {
      clearTimeout(late);
      client.destroy();
      failed('the tool hung up before TLS began');
    });
    tool.once('secure', () => {
      clearTimeout(late);
      if (tool.servername === name) resolve(tool);
      else reject(new EgressDenied('sni', `TLS for ${tool.servername || 'no name'}`));
    });
  });
}
