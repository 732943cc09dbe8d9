import { createHash, X509Certificate } from 'node:crypto';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';
import { connect } from 'node:tls';
import { type Browser, type BrowserContext, type CDPSession, chromium, type Page } from 'playwright-core';

const executablePath = (process.env.PATH ?? '')
  .split(delimiter)
  .map((folder) => join(folder, 'chromium'))
  .find((file) => existsSync(file));

/** Milliseconds for a start, and for what a page is to come to. */
const PATIENT = 180_000;

/** For `skip`: the component's name where it is not there. */
export const withoutChromium: string | false = executablePath === undefined && 'chromium is not there';

/** Debian's chromium, offline; `spki` are the keys that it takes for good ones. */
export async function openBrowser(t: Pick<TestContext, 'after'>, spki: readonly string[]): Promise<Browser> {
  const browser = await chromium.launch({
    executablePath: String(executablePath),
    timeout: PATIENT,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--host-resolver-rules=MAP *.test 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
      `--ignore-certificate-errors-spki-list=${spki.join(',')}`,
    ],
  });
  t.after(() => browser.close());
  return browser;
}

export interface Authenticator {
  readonly cdp: CDPSession;
  readonly id: string;
  credentials(): Promise<readonly { readonly credentialId: string; readonly signCount: number }[]>;
  set(verified: boolean): Promise<void>;
}

/** A page with an authenticator of its own that verifies its user, unless told otherwise. */
export async function openPage(
  context: BrowserContext,
  isUserVerified = true,
): Promise<{ page: Page; authenticator: Authenticator }> {
  context.setDefaultTimeout(PATIENT);
  const page = await context.newPage();
  const cdp = await context.newCDPSession(page);
  await cdp.send('WebAuthn.enable', { enableUI: false });
  const { authenticatorId: id } = await cdp.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified,
      automaticPresenceSimulation: true,
    },
  });
  return {
    page,
    authenticator: {
      cdp,
      id,
      credentials: async () => (await cdp.send('WebAuthn.getCredentials', { authenticatorId: id })).credentials,
      set: async (verified) =>
        void (await cdp.send('WebAuthn.setUserVerified', { authenticatorId: id, isUserVerified: verified })),
    },
  };
}

/** Of the certificate that is shown at that origin, to whoever trusts its authority. */
export function spkiAt(origin: string, ca: string): Promise<string> {
  const { port, hostname } = new URL(origin);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port: Number(port), servername: hostname, ca }, () => {
      resolve(spkiOf(String(socket.getPeerX509Certificate())));
      socket.destroy();
    });
    socket.on('error', reject);
  });
}

/** SHA-256 of a certificate's key, base64: what chromium is told to take for a good one. */
export function spkiOf(pem: string): string {
  const der = new X509Certificate(pem).publicKey.export({ type: 'spki', format: 'der' });
  return createHash('sha256').update(der).digest('base64');
}
