import { randomBytes } from 'node:crypto';
import {
  type AuthenticationResponseJSON,
  generateAuthenticationOptions,
  generateRegistrationOptions,
  type RegistrationResponseJSON,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server';
import { z } from 'zod';
import type { Account, Accounts, Invitation } from './accounts.ts';
import type { Challenges } from './challenges.ts';

/** The passkey was not accepted; the message is for the log, the person learns that it was not. */
export class CeremonyError extends Error {}

/** COSE algorithms: EdDSA and ES256, and RS256 for the authenticators that have nothing else. */
const ALGORITHMS = [-8, -7, -257];

const base64url = z.string().regex(/^[\w-]+$/);
const transports = z.array(z.enum(['ble', 'cable', 'hybrid', 'internal', 'nfc', 'smart-card', 'usb']));
const created = z.object({
  id: base64url.max(1400),
  rawId: base64url.max(1400),
  type: z.literal('public-key'),
  clientExtensionResults: z.object({}),
  response: z.object({ clientDataJSON: base64url, attestationObject: base64url, transports: transports.default([]) }),
});
const asserted = z.object({
  id: base64url.max(1400),
  rawId: base64url.max(1400),
  type: z.literal('public-key'),
  clientExtensionResults: z.object({}),
  response: z.object({
    clientDataJSON: base64url,
    authenticatorData: base64url,
    signature: base64url,
    // Who is not named was not found by the authenticator, but named by the page: ours name nobody.
    userHandle: base64url,
  }),
});

/** WebAuthn L3 §5.8.1: none of our pages is ever in somebody's frame. */
const unframed = z.looseObject({ crossOrigin: z.literal(false).optional() });

interface CeremonyDeps {
  readonly accounts: Accounts;
  readonly challenges: Challenges;
  /** `https://HOST:PORT`; its host is the relying party's id, neither a parent nor a child of it. */
  readonly origin: string;
}

/**
 * Registration and authentication with passkeys (WebAuthn L3 §7): discoverable, with the user verified, each challenge
 * bound to its purpose and used once.
 */
export class Ceremonies {
  readonly #accounts: Accounts;
  readonly #challenges: Challenges;
  readonly #origin: string;
  readonly #rpId: string;

  constructor({ accounts, challenges, origin }: CeremonyDeps) {
    this.#accounts = accounts;
    this.#challenges = challenges;
    this.#origin = origin;
    this.#rpId = new URL(origin).hostname;
  }

  /** JSON for `PublicKeyCredential.parseCreationOptionsFromJSON`, and the handle that has to come back with the answer. */
  async creation(secret: string, { subject, tenant }: Invitation): Promise<{ options: string; handle: string }> {
    const handle = this.#accounts.find(subject)?.handle ?? randomBytes(32).toString('base64url');
    const options = await generateRegistrationOptions({
      rpName: 'innerkeep',
      rpID: this.#rpId,
      userName: subject,
      userDisplayName: `${subject} (${tenant})`,
      userID: new Uint8Array(Buffer.from(handle, 'base64url')),
      challenge: bytes(this.#challenges.make(enrolment(secret, handle))),
      attestationType: 'none',
      excludeCredentials: this.#accounts
        .passkeysOf(subject)
        .map(({ id, transports }) => ({ id, transports: [...transports] })),
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
      supportedAlgorithmIDs: ALGORITHMS,
      timeout: 120_000,
    });
    return { options: JSON.stringify(options), handle };
  }

  /**
   * Keeps the new passkey and uses the invitation up.
   * @param handle as it was given to the authenticator
   * @throws CeremonyError
   */
  async enrol(secret: string, handle: string, credential: string): Promise<void> {
    const response: RegistrationResponseJSON = read(created, credential);
    const purpose = enrolment(secret, handle);
    const verified = await verifyRegistrationResponse({
      response,
      expectedChallenge: (challenge) => this.#challenges.isGood(challenge, purpose),
      expectedOrigin: this.#origin,
      expectedRPID: this.#rpId,
      requireUserVerification: true,
      supportedAlgorithmIDs: ALGORITHMS,
    }).catch(refuse);
    if (!verified.verified) throw new CeremonyError('attestation not verified');
    const { credential: key, credentialDeviceType } = verified.registrationInfo;
    const kept = this.#accounts.enrol(secret, handle, {
      id: key.id,
      publicKey: key.publicKey,
      counter: key.counter,
      transports: key.transports ?? [],
      synced: credentialDeviceType === 'multiDevice',
    });
    if (!kept) throw new CeremonyError('the invitation was used meanwhile, or the passkey is known');
  }

  /** JSON for `PublicKeyCredential.parseRequestOptionsFromJSON`; it names no credential: the authenticator finds it. */
  async request(purpose: string): Promise<string> {
    const options = await generateAuthenticationOptions({
      rpID: this.#rpId,
      challenge: bytes(this.#challenges.make(purpose)),
      userVerification: 'required',
      timeout: 120_000,
    });
    return JSON.stringify(options);
  }

  /** Whose passkey signed a challenge of ours for this purpose, just now. @throws CeremonyError */
  async verify(purpose: string, credential: string): Promise<Account> {
    const response: AuthenticationResponseJSON = read(asserted, credential);
    const passkey = this.#accounts.passkey(response.id);
    if (passkey === undefined) throw new CeremonyError('unknown passkey');
    if (passkey.cloned) throw new CeremonyError(`a passkey of ${passkey.subject} that has a copy`);
    let challenge = '';
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response,
      expectedChallenge: (given) => {
        challenge = given;
        return this.#challenges.isGood(given, purpose);
      },
      expectedOrigin: this.#origin,
      expectedRPID: this.#rpId,
      // A counter that stands still or runs back is looked at below, when the signature is known to be good.
      credential: { id: passkey.id, publicKey: passkey.publicKey, counter: 0 },
      requireUserVerification: true,
    }).catch(refuse);
    if (!verified) throw new CeremonyError('signature not verified');
    const account = this.#accounts.find(passkey.subject);
    if (account === undefined || account.handle !== response.response.userHandle)
      throw new CeremonyError('the passkey is of another account');
    // Before the counter: a form that was sent twice is no sign of a copy.
    if (!this.#challenges.use(challenge)) throw new CeremonyError('a challenge that was used before');
    const { newCounter } = authenticationInfo;
    // WebAuthn L3 §7.2 step 25: zero is an authenticator that does not count.
    if ((newCounter > 0 || passkey.counter > 0) && newCounter <= passkey.counter) {
      this.#accounts.markCloned(passkey.id);
      throw new CeremonyError(`a passkey of ${account.subject} counts ${newCounter} after ${passkey.counter}: copied`);
    }
    this.#accounts.used(passkey.id, newCounter);
    return account;
  }
}

function enrolment(secret: string, handle: string): string {
  return JSON.stringify(['enrol', secret, handle]);
}

/** Authenticators sign bytes; what comes back is their base64url, the challenge as we wrote it. */
function bytes(challenge: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(challenge, 'base64url'));
}

function read<T extends { readonly response: { readonly clientDataJSON: string } }>(
  schema: z.ZodType<T>,
  credential: string,
): T {
  try {
    const answer = schema.parse(JSON.parse(credential));
    unframed.parse(JSON.parse(Buffer.from(answer.response.clientDataJSON, 'base64url').toString()));
    return answer;
  } catch {
    throw new CeremonyError('not what an authenticator answers');
  }
}

function refuse(error: unknown): never {
  throw new CeremonyError(error instanceof Error ? error.message : 'not verified');
}
