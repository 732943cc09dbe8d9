import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';

const UP = 0x01;
const UV = 0x04;
const AT = 0x40;

/** What a hostile authenticator, or the page in front of it, may say otherwise than it should. */
export interface Lies {
  readonly origin?: string;
  readonly rpId?: string;
  readonly type?: string;
  readonly challenge?: string;
  readonly userVerified?: boolean;
  readonly userPresent?: boolean;
  readonly counter?: number;
  readonly userHandle?: string;
  readonly id?: string;
  readonly crossOrigin?: boolean;
  readonly topOrigin?: string;
  readonly key?: KeyObject;
}

/** An authenticator (WebAuthn L3 §6) in software: ES256, one credential, says what it is told to. */
export class SoftwareKey {
  readonly id = randomBytes(32).toString('base64url');
  readonly #pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  #handle = '';
  #counter = 0;

  get privateKey(): KeyObject {
    return this.#pair.privateKey;
  }

  /** @param options JSON of a page's creation options; the answer is JSON for its form */
  create(options: string, origin: string, lies: Lies = {}): string {
    const { challenge, rp, user } = JSON.parse(options);
    this.#handle = user.id;
    const jwk = this.#pair.publicKey.export({ format: 'jwk' });
    const id = Buffer.from(this.id, 'base64url');
    const cose = Buffer.concat([
      Buffer.from([0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20]),
      Buffer.from(String(jwk.x), 'base64url'),
      Buffer.from([0x22, 0x58, 0x20]),
      Buffer.from(String(jwk.y), 'base64url'),
    ]);
    const attested = Buffer.concat([Buffer.alloc(16), Buffer.from([0, id.length]), id, cose]);
    const authData = Buffer.concat([this.#authData(lies.rpId ?? rp.id, lies, AT), attested]);
    const attestation = Buffer.concat([
      Buffer.from('a363666d74646e6f6e656761747453746d74a068617574684461746159', 'hex'),
      Buffer.from([authData.length >> 8, authData.length & 0xff]),
      authData,
    ]);
    return JSON.stringify({
      id: this.id,
      rawId: this.id,
      type: 'public-key',
      clientExtensionResults: {},
      response: {
        clientDataJSON: clientData('webauthn.create', challenge, origin, lies),
        attestationObject: attestation.toString('base64url'),
        transports: ['internal'],
      },
    });
  }

  /** @param options JSON of a page's request options */
  get(options: string, origin: string, lies: Lies = {}): string {
    const { challenge, rpId } = JSON.parse(options);
    this.#counter = lies.counter ?? this.#counter + 1;
    const authData = this.#authData(lies.rpId ?? rpId, lies, 0);
    const client = clientData('webauthn.get', challenge, origin, lies);
    const signed = Buffer.concat([authData, createHash('sha256').update(Buffer.from(client, 'base64url')).digest()]);
    const id = lies.id ?? this.id;
    return JSON.stringify({
      id,
      rawId: id,
      type: 'public-key',
      clientExtensionResults: {},
      response: {
        clientDataJSON: client,
        authenticatorData: authData.toString('base64url'),
        signature: sign('sha256', signed, lies.key ?? this.#pair.privateKey).toString('base64url'),
        userHandle: lies.userHandle ?? this.#handle,
      },
    });
  }

  get handle(): string {
    return this.#handle;
  }

  #authData(rpId: string, { userVerified = true, userPresent = true }: Lies, more: number): Buffer {
    const counter = Buffer.alloc(4);
    counter.writeUInt32BE(this.#counter);
    const flags = (userPresent ? UP : 0) | (userVerified ? UV : 0) | more;
    return Buffer.concat([createHash('sha256').update(rpId).digest(), Buffer.from([flags]), counter]);
  }
}

function clientData(type: string, challenge: string, origin: string, lies: Lies): string {
  const { crossOrigin = false, topOrigin } = lies;
  const data = {
    type: lies.type ?? type,
    challenge: lies.challenge ?? challenge,
    origin: lies.origin ?? origin,
    crossOrigin,
  };
  return Buffer.from(JSON.stringify({ ...data, ...(topOrigin === undefined ? {} : { topOrigin }) })).toString(
    'base64url',
  );
}
