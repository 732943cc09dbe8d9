import { oauthChallenge } from '../../../contract/challenges.ts';
import { printable, UpstreamFailure } from '../upstream.ts';

/** Characters of a body that go to the log. */
const MAX_EXCERPT = 512;

/** The server answered with an HTTP status other than success. */
export class HttpFailure extends UpstreamFailure {
  readonly status: number;
  /** `WWW-Authenticate`, as the server wrote it. */
  readonly challenge: string | undefined;
  override readonly isUnauthorized: boolean;
  override readonly lacking: string | undefined;
  /** The proof has to have a nonce of the server's in it (RFC 9449 §9). */
  readonly wantsNonce: boolean;

  constructor(status: number, body: Buffer, challenge?: string) {
    const excerpt = printable(body.toString('utf8', 0, MAX_EXCERPT), MAX_EXCERPT);
    const asked = challenge === undefined ? undefined : oauthChallenge(challenge)?.params;
    const error = asked?.get('error');
    const lacking = status === 403 && error === 'insufficient_scope' ? (asked?.get('scope') ?? '') : undefined;
    const why = lacking === undefined ? '' : `, insufficient_scope ${JSON.stringify(lacking.slice(0, MAX_EXCERPT))}`;
    super('upstream', `HTTP status ${status}${why}${excerpt === '' ? '' : `: ${JSON.stringify(excerpt)}`}`);
    this.status = status;
    this.challenge = challenge;
    this.isUnauthorized = status === 401;
    this.wantsNonce = status === 401 && error === 'use_dpop_nonce';
    this.lacking = lacking;
  }

  /** 4xx is about the request (RFC 9110 §15.5), also where a proxy in between says it. */
  override get isFault(): boolean {
    return this.status < 400 || this.status > 499;
  }

  override get isTelling(): boolean {
    return true;
  }
}

export function bad(what: string): UpstreamFailure {
  return new UpstreamFailure('upstream', `the server sent ${what}`);
}

/** What undici says of a connection. */
export function broken(error: Error): UpstreamFailure {
  if (error instanceof UpstreamFailure) return error;
  const { code } = error as NodeJS.ErrnoException;
  return new UpstreamFailure('upstream', `${code ?? error.name}: ${error.message}`);
}
