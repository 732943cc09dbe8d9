import type { Duplex } from 'node:stream';
import { createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import { SandboxAuthority } from './authority.ts';
import type { Credentials } from './credentials.ts';
import type { Target } from './heads.ts';
import { carry } from './passage.ts';

/** Milliseconds. */
const HANDSHAKE = 10_000;
/** Certificates that are kept; names below a wildcard can be many. */
const MAX_CONTEXTS = 32;

/** A connection of the sandbox that was judged, its ClientHello not read. */
export interface Judged {
  readonly socket: Duplex;
  readonly target: Target;
  /** A fresh connection to the host, at the address that was judged. Rejects when there is none. */
  readonly dial: () => Promise<Duplex>;
  /** PEM of the authorities that may vouch for the host; undefined: the public ones. */
  readonly ca: string | undefined;
  /** What was refused in it, for the operator. */
  readonly report: (detail: string) => void;
}

/** Ends the TLS of one sandbox's connections, with an authority that lives in this process and is trusted only there. */
export class Terminator {
  readonly #authority: SandboxAuthority;
  readonly #credentials: Credentials;
  readonly #contexts = new Map<string, SecureContext>();

  /**
   * @param names whose connections are terminated; lower-case, maybe with a `*.` before them
   * @param now milliseconds since the epoch
   */
  constructor(names: readonly string[], credentials: Credentials, now: number) {
    this.#authority = new SandboxAuthority(names, now);
    this.#credentials = credentials;
  }

  /** PEM: what the sandbox has to trust. */
  get ca(): string {
    return this.#authority.pem;
  }

  /** Carries a connection until one of its ends is gone. */
  terminate({ socket, target, dial, ca, report }: Judged): void {
    const tool = new TLSSocket(socket, {
      isServer: true,
      secureContext: this.#context(target.name),
      ALPNProtocols: ['http/1.1'],
    });
    const late = setTimeout(() => tool.destroy(), HANDSHAKE);
    tool.once('close', () => {
      clearTimeout(late);
      socket.destroy();
    });
    const failed = (error: Error) => {
      report(`TLS with the tool failed: ${error.message}`);
      tool.destroy();
    };
    tool.on('error', failed);
    tool.on('_tlsError', failed);
    tool.once('secure', () => {
      clearTimeout(late);
      tool.off('error', failed);
      tool.on('error', () => tool.destroy());
      if (tool.servername === target.name)
        return carry(tool, { target, credentials: this.#credentials, dial, ca, report });
      report('a TLS server name that is not the name of the connection');
      tool.destroy();
    });
  }

  #context(name: string): SecureContext {
    const made = this.#contexts.get(name) ?? createSecureContext({ ...this.#authority.identity(name), ...VERSIONS });
    if (this.#contexts.size >= MAX_CONTEXTS) this.#contexts.clear();
    this.#contexts.set(name, made);
    return made;
  }
}

const VERSIONS = { minVersion: 'TLSv1.2' } as const;
