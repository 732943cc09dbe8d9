import type { Turned } from './breaker.ts';
import type { GatewayBundle, RuntimeBundle, SandboxedServer } from './bundle.ts';
import type { GatewayIdentity, LinkAddress } from './control-link.ts';
import type { Spending } from './limits.ts';
import type { SandboxProbe } from './sandbox-driver.ts';
import type { BundleId } from './signed-bundle.ts';
import type { Spent } from './state-store.ts';
import type { CallToConfirm, Confirmation } from './step-up.ts';
import type { ProofWish, WireLease } from './wire-secret.ts';

/**
 * What zone 0 and a gateway say to each other over the connection that zone 0 dials (control-link.ts). Zone 0 asks one thing
 * at a time, of `status`, `show`, `open`, `rehearse`, `bundle` and `audit`, and gets one answer to each, or `refused`.
 * Zone 1 asks for four things: `issuer` (the embedded issuer's public endpoints are served at the edge, its keys are
 * not), `confirm`, whether a person has confirmed a call (with passkeys that zone 0 knows), and `lease`, what a server's
 * `secrets:` name for the caller of an admitted call; `prove` shows possession of the key that a lent token is bound to,
 * for one request; `revoke` gives back what was lent.
 */
export type ToGateway =
  /** Zone 0 is there. */
  | { readonly kind: 'pulse' }
  | { readonly kind: 'status' }
  /** What follows so many characters of the bundle that it has kept, as zone 0 had signed it. */
  | { readonly kind: 'show'; readonly after: number }
  | { readonly kind: 'open'; readonly opening: GatewayOpening }
  /** What would be served by; it is not signed, and comes never into force. `last`: so many decisions are asked again. */
  | { readonly kind: 'rehearse'; readonly bundle: GatewayBundle; readonly last: number }
  /** What follows so many bytes of its audit log. */
  | { readonly kind: 'audit'; readonly after: number }
  /** A signed bundle: see signed-bundle.ts. */
  | { readonly kind: 'bundle'; readonly envelope: string }
  /** New certificates before the old ones end, for clients and for zone 0; PEM texts. */
  | { readonly kind: 'certificate'; readonly key: string; readonly cert: string }
  | { readonly kind: 'identity'; readonly key: string; readonly cert: string }
  | { readonly kind: 'issued'; readonly id: number; readonly answer: IssuerAnswer }
  | { readonly kind: 'confirmation'; readonly id: number; readonly answer: Confirmation }
  | { readonly kind: 'leased'; readonly id: number; readonly answer: LeaseAnswer }
  /** A proof (RFC 9449 §4.2); absent: the lease does not run any more, or needs none. */
  | { readonly kind: 'proved'; readonly id: number; readonly proof: string | undefined }
  /** A person has done what the address was for that a client was given under this id. */
  | { readonly kind: 'visited'; readonly visit: string };

export interface GatewayOpening {
  readonly host: string;
  readonly port: number;
  /** Others of this machine listen there too, and the kernel spreads connections over them. */
  readonly isShared?: true;
  readonly serverNames: readonly string[];
  /** PEM texts. */
  readonly key: string;
  readonly cert: string;
  /** Whether clients are asked for a certificate; whose count, a bundle says. */
  readonly clientCertificates: boolean;
  /** Signs its audit log; PEM. */
  readonly auditKey: string;
  /** `memory`, or the URL of the Redis that all gateways share. */
  readonly stateStore: string;
  /** By what names in it are hidden; base64url. */
  readonly stateNames: string;
  /** What budgets had come to before, in periods that are not over. */
  readonly spent: readonly Spent[];
}

/** What a gateway's process is started with. */
export interface GatewayStart {
  readonly identity: GatewayIdentity;
  /** Where zone 0 dials it. */
  readonly control: LinkAddress;
  /** Path of the unix socket of zone 2. */
  readonly runtimeSocket: string;
  readonly auditFile: string;
  /** Where its edge listens, where that is not where zone 0 says for all of them. */
  readonly edge?: { readonly host: string; readonly port: number };
}

export type FromGateway =
  /** `held`: the newest bundle that it has taken; `port`: its edge listens; `serving`: false when it fails closed. */
  | { readonly kind: 'status'; readonly held?: BundleId; readonly port?: number; readonly serving: boolean }
  /** `size`: characters of the whole; 0: it keeps none. */
  | { readonly kind: 'shown'; readonly text: string; readonly size: number }
  | { readonly kind: 'listening'; readonly port: number }
  | { readonly kind: 'rehearsed'; readonly rehearsal: Rehearsal }
  | { readonly kind: 'applied'; readonly held: BundleId }
  | ({ readonly kind: 'audited' } & AuditPage)
  | { readonly kind: 'issuer'; readonly id: number; readonly request: IssuerRequest }
  | { readonly kind: 'confirm'; readonly id: number; readonly call: CallToConfirm }
  | { readonly kind: 'lease'; readonly id: number; readonly wish: LeaseWish }
  | { readonly kind: 'prove'; readonly id: number; readonly wish: ProofWish }
  | { readonly kind: 'revoke'; readonly leases: readonly string[] }
  | {
      readonly kind: 'counts';
      readonly calls: number;
      readonly refusals: Readonly<Record<string, number>>;
      readonly memory: number;
    }
  /** What budgets have come to by one call. */
  | { readonly kind: 'spent'; readonly spendings: readonly Spending[] }
  /** Breakers that have opened or closed; of all gateways one says so. */
  | { readonly kind: 'turned'; readonly turned: readonly Turned[] }
  | ZoneRefusal;

/** Characters of a bundle that one answer has at most. */
export const SHOWN_PAGE = 4 * 1024 * 1024;

/** Bytes of an audit log that one answer has at most. */
export const AUDIT_PAGE = 256 * 1024;

/** What of a gateway's audit log follows what zone 0 has. */
export interface AuditPage {
  /** Whole records, byte by byte as they were hashed, each with its line end; empty: there are none. */
  readonly lines: string;
  /** Bytes of the whole log at that moment. */
  readonly size: number;
}

/** Whose answers another bundle would change. */
export interface Rehearsal {
  readonly considered: number;
  /** The newest ones, newest first. */
  readonly changed: readonly ChangedAnswer[];
  /** Changed ones that are not named. */
  readonly more: number;
}

export interface ChangedAnswer {
  readonly incident: string;
  /** RFC 3339: when it was asked. */
  readonly time: string;
  readonly subject: string;
  readonly tenant: string;
  readonly action: string;
  /** `allow` or `deny`: by what is in force now, and by what was rehearsed. */
  readonly before: string;
  readonly after: string;
}

/** What a gateway that zone 0 has started on its own machine hears over their channel, and answers: then it can be dialled. */
export type ToLocalGateway = { readonly kind: 'start'; readonly start: GatewayStart };
export type FromLocalGateway = { readonly kind: 'dialable' } | ZoneRefusal;

export interface IssuerRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface IssuerAnswer {
  readonly status: number;
  /** A list is as many header lines: cookies cannot be joined (RFC 6265 §3). */
  readonly headers: Readonly<Record<string, string | string[]>>;
  readonly body: string;
}

/** Which secrets these are is zone 0's to know. */
export interface LeaseWish {
  readonly server: string;
  readonly tenant: string;
  /** The Cedar entity id: `alice`, or `ISSUER#SUB` for foreign issuers. */
  readonly subject: string;
  /** Can be asked for something; absent: a workload, which cannot. */
  readonly isPerson?: true;
  readonly incident: string;
  /** Who calls in the subject's name, as the token says (RFC 9068 §2.2). */
  readonly client?: string;
  /** The caller's own token, where the bundle says that tokens of its issuer are exchanged for the server's. */
  readonly presented?: string;
  /** Version of the token that was lent for the call, where the server has refused it. */
  readonly refused?: number;
  /** What the server says that the token lacks for the call (RFC 6750 §3.1); empty: it does not say. */
  readonly lacking?: string;
}

/** All that the server declares; or why this caller has it not; or why who would have made it did not. */
export type LeaseAnswer =
  | { readonly leases: readonly WireLease[] }
  | { readonly missing: string }
  | { readonly failed: string }
  /** The person has to authorize us at that address first. */
  | { readonly visit: Visit };

export interface Visit {
  readonly id: string;
  readonly url: string;
}

/** `forbidden`: host paths that no mount may show; `kept`: where what servers are started from is kept. */
export type ToRuntimeZone =
  | {
      readonly kind: 'open';
      readonly bundle: RuntimeBundle;
      readonly forbidden: readonly string[];
      readonly kept: string;
    }
  | { readonly kind: 'probe'; readonly node: string }
  | {
      readonly kind: 'bundle';
      readonly server: SandboxedServer;
      readonly node: string;
      readonly forbidden: readonly string[];
    }
  | {
      readonly kind: 'semgrep';
      readonly run: SemgrepRun;
      readonly node: string;
      readonly forbidden: readonly string[];
    };

/** Host paths: of the folders with its program, its rules and what it is to read; and its `-targets`. */
export interface SemgrepRun {
  readonly program: string;
  readonly rules: string;
  readonly root: string;
  /** With the paths that the files have in the sandbox, where the folder is `/srv`. */
  readonly targets: string;
}

export type FromRuntimeZone =
  | { readonly kind: 'ready' }
  /** Of every driver that there is. */
  | { readonly kind: 'probed'; readonly probes: readonly SandboxProbe[] }
  | { readonly kind: 'bundled'; readonly made: FasterStarts }
  /** What semgrep said, or what it died of. */
  | { readonly kind: 'scanned'; readonly result: { readonly said: string } | { readonly failed: string } }
  | ZoneRefusal;

/** What a server could be started from, each with its digest, or why it cannot; FasterStart says what they are. */
export interface FasterStarts {
  readonly snapshot: { readonly digest: string } | { readonly plain: string };
  readonly bundle: { readonly digest: string } | { readonly plain: string };
}

/** The zone cannot do what the configuration asks for; nothing has been started that would do less. */
export interface ZoneRefusal {
  readonly kind: 'refused';
  /** Exit code of the command: 2 configuration, 3 safety. */
  readonly exit: 2 | 3;
  readonly message: string;
  /** The server whose settings are wrong, where it is one. */
  readonly server?: string;
}
