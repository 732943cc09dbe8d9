import type { PinnedServer, ToolSettings } from './descriptors.ts';
import type { EgressRule } from './egress.ts';
import type { Limits } from './limits.ts';
import type { OpaSettings } from './policy-world.ts';
import type { ResourceTemplates } from './resource-mapping.ts';
import type { SecretRule } from './secret-template.ts';
import type { SealKey } from './state-store.ts';
import type { Stop } from './stops.ts';
import type { WantedSecret, WireSecret } from './wire-secret.ts';

/** What zone 0 hands to zone 1: all that a gateway decides by. Swapped whole, never in parts. */
export interface GatewayBundle {
  readonly version: number;
  readonly edge: EdgeSettings;
  readonly issuers: readonly TrustedIssuer[];
  /** Whose workloads are known by their SVIDs; absent: nobody's. */
  readonly spiffe?: SpiffeTrust;
  /** What nonces for proofs are made of, the same for all gateways (RFC 9449 §8); absent: a proof needs none. */
  readonly nonceKey?: string;
  /** What records of the shared state store are sealed with, newest first; the second seals. */
  readonly stateSeals: readonly SealKey[];
  /** Ids (`jti`) of tokens that were revoked before they expired. */
  readonly revoked: readonly string[];
  readonly policies: readonly PolicySource[];
  /** Tuples that zone 0 has from a store, beside those of the policies; absent: it follows none. */
  readonly relations?: readonly PolicySource[];
  /** The OPA beside each gateway that judges by them; absent: Cedar does. */
  readonly opa?: OpaSettings | undefined;
  /** Risk, 0–100, by network (CIDR): the smallest counts, and what is in none has 0. Absent: policies know nothing of it. */
  readonly ipRisk?: Readonly<Record<string, number>> | undefined;
  readonly servers: readonly GatewayServer[];
  readonly limits: Limits;
  /** Kinds of secrets of the operator's own, that the output filter looks for too; absent: none. */
  readonly secretRules?: readonly SecretRule[] | undefined;
  /** What the operator has stopped. */
  readonly stops: readonly Stop[];
  /** Milliseconds that it may be served by while zone 0 is away; then nothing is served. */
  readonly away: number;
}

export interface EdgeSettings {
  /** What clients call us, e.g. `https://localhost:8443`; `/mcp` below it is the audience. */
  readonly origin: string;
  readonly serverNames: readonly string[];
  readonly allowedOrigins: readonly string[];
  readonly unauthenticated: 421 | 401;
  /** What a client that signs in should ask for (RFC 6750 §3); absent: its issuer has scopes of its own. */
  readonly scope?: string;
  /** PEM of the authorities of one of which every client must show a certificate, whatever else it shows; absent: it need not. */
  readonly clientCa?: string;
  /** Bytes of one request body. */
  readonly maxBody: number;
}

export interface TrustedIssuer {
  readonly issuer: string;
  /** Public keys, when zone 0 holds the issuer; absent: found by discovery (RFC 8414). */
  readonly jwks?: { readonly keys: readonly Readonly<Record<string, unknown>>[] };
  /** What `aud` must be beside our own resource URLs (RFC 8707); absent: our own resource URLs alone. */
  readonly audience?: string;
  /** A fixed tenant for everyone of this issuer, or the claim that names it. */
  readonly tenant: { readonly fixed: string } | { readonly claim: string };
  /** The claim that tells of the device's health; absent: none does. */
  readonly deviceClaim?: string | undefined;
  /** The embedded issuer's subjects are `User::"alice"`, all others' `User::"ISSUER#SUB"`. */
  readonly embedded: boolean;
  /** PEM of an extra certificate authority for the issuer's own endpoints. */
  readonly ca?: string;
}

/** A SPIFFE trust domain: whom it vouches for, and by what (SPIFFE Trust Domain and Bundle §4). */
export interface SpiffeTrust {
  readonly trustDomain: string;
  /** Tenants by prefixes of a SPIFFE ID's path, in whole segments; the longest counts, `/` is of all. */
  readonly tenants: Readonly<Record<string, string>>;
  /** Authorities of X.509-SVIDs, PEM. */
  readonly x509: readonly string[];
  /** Authorities of JWT-SVIDs. */
  readonly jwt: { readonly keys: readonly Readonly<Record<string, unknown>>[] };
}

export interface PolicySource {
  readonly file: string;
  readonly text: string;
}

export interface GatewayServer {
  readonly pins: PinnedServer;
  readonly tools: Readonly<Record<string, ToolSettings>>;
  /** The tenant that owns this server's resources; absent: every caller's own tenant. */
  readonly tenant?: string;
  /** What of the tenant's a call is about, as templates over its arguments; absent: the tenant itself. */
  readonly resource?: ResourceTemplates | undefined;
  /** What its calls need, and zone 0 lends; absent: nothing. */
  readonly credentials?: readonly WantedSecret[];
  /**
   * Its callers get tokens of their own, which zone 0 lends: issuers of whose tokens zone 0 may have a caller's, to exchange
   * it; empty: of none, since each person authorizes us himself. Absent: they get no tokens.
   */
  readonly exchanged?: readonly string[];
  /** Where it is, when it does not run here; absent: zone 2 runs it. */
  readonly remote?: RemoteServer;
  /** How zone 2 has to sandbox it; absent: it runs elsewhere. */
  readonly profile?: SandboxProfile;
  /** Milliseconds from the call's dispatch to its refusal. */
  readonly deadline: number;
  /** Its sandboxes are kept for callers, until they were without a call for so many milliseconds; absent: one is for one call. */
  readonly keep?: { readonly idle: number };
  /** Bytes of one result; what is larger is refused. */
  readonly maxResult: number;
  /** Bytes of it that a client gets at once; absent: all of them. */
  readonly maxAnswer?: number;
  /** What is done with results that give the model orders; absent: they are marked. */
  readonly suspected?: 'mark' | 'quarantine' | 'record';
  /** Digests of those that the operator has read and lets through; absent: none. */
  readonly approved?: readonly string[];
}

/** What zone 0 hands to zone 2. */
export interface RuntimeBundle {
  readonly socket: string;
  readonly servers: readonly RuntimeServer[];
  /** Where the pinned Node lies on the host; it is mounted into each sandbox. */
  readonly node: string;
}

export type RuntimeServer = SandboxedServer | RemoteServer;

/** How a sandbox is made; `bubblewrap-fork` forks it from one that has done a python server's imports; `microvm-tcg` is an emulated machine: it functions, and is no boundary. */
export type SandboxDriverName = 'bubblewrap' | 'bubblewrap-fork' | 'gvisor' | 'microvm' | 'microvm-tcg';

export interface SandboxedServer {
  readonly kind: 'sandboxed';
  readonly name: string;
  readonly driver: SandboxDriverName;
  /** Digest of its profile: calls for a server of another one are refused. Absent: no bundle has to name it. */
  readonly profile?: string;
  /** Argument vector inside the sandbox; `/srv` is the server's pinned copy, read-only, the working directory. */
  readonly command: readonly string[];
  /** Host path of that copy in the content-addressed store. */
  readonly root: string;
  /** What it is started from, where that is not those files themselves. */
  readonly start?: FasterStart;
  readonly mounts: readonly Mount[];
  /** What it can reach; absent or empty: no network at all. */
  readonly egress?: readonly EgressRule[];
  /** What the egress proxy adds to its requests; absent: nothing. */
  readonly secrets?: readonly WireSecret[];
  /** Bytes; the tmpfs gets half of it. */
  readonly memory: number;
  /** One sandbox for one subject and session, until it was without a call for so many milliseconds; absent: for one call. */
  readonly keep?: { readonly idle: number };
  /** Milliseconds for one call. */
  readonly deadline: number;
  /** Bytes of one frame from the server. */
  readonly maxResult: number;
}

/**
 * All of a sandbox that does not depend on the machine it is made on. `files`: digest of the server's pinned copy; `mounts`:
 * from the configuration's directory, where they lie below it.
 */
export type SandboxProfile = Omit<SandboxedServer, 'kind' | 'name' | 'root' | 'profile'> & { readonly files: string };

/** Digests of modules that are made of a server's files; the first that this machine can start from is taken, else the files. */
export interface FasterStart {
  /** Of the one whose libraries a start-up snapshot of node holds evaluated. */
  readonly snapshot?: string;
  /** Of the one with all in it. */
  readonly bundle?: string;
  /** The start is refused where it would be another one. */
  readonly only?: true;
}

export interface Mount {
  readonly from: string;
  readonly to: string;
  readonly mode: 'ro' | 'rw';
}

export interface RemoteServer {
  readonly kind: 'remote';
  readonly name: string;
  readonly url: string;
  readonly ca?: string;
  /** CIDR block that its addresses are in; absent: they are public, or the loopback that the URL itself says. */
  readonly network?: string;
  readonly deadline: number;
  readonly maxResult: number;
}
