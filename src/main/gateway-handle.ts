import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { GatewayBundle } from '../contract/bundle.ts';
import type { CallToConfirm } from '../contract/step-up.ts';
import type { ProofWish } from '../contract/wire-secret.ts';
import type { FromGateway, IssuerRequest, LeaseWish, ToGateway } from '../contract/zone-link.ts';
import { type Account, SpentFile } from '../control-plane/budgets/spent-file.ts';
import { type Config, readText } from '../control-plane/config/load.ts';
import { type ConfigError, SafetyError } from '../control-plane/config/problem.ts';
import type { Issuer } from '../control-plane/issuer/issuer.ts';
import { unusableCertificate } from '../control-plane/pki/own-certificate.ts';
import type { Pki } from '../control-plane/pki/pki.ts';
import { watchFiles } from '../control-plane/pki/watch-files.ts';
import { type BundleSigner, bundleSigner } from '../control-plane/policy-registry/sign-bundle.ts';
import type { Leases } from '../control-plane/secrets/leases.ts';
import { startZone, type Zone } from '../control-plane/zones/start-zone.ts';
import { complain } from './log.ts';
import { refusedBy } from './runtime-client.ts';
import { noStateStore, notListening } from './start-faults.ts';

const GATEWAY_GRACE = 5000;
/** A certificate of ours lives for days; files of the operator's may have been renewed meanwhile. */
const RENEW_EVERY = 24 * 60 * 60 * 1000;

async function certificate(config: Config, pki: Pki): Promise<{ readonly key: string; readonly cert: string }> {
  const { tls } = config.edge;
  if (tls.cert === undefined || tls.key === undefined) {
    const { key, cert } = await pki.leaf(config.edge.server_names);
    return { key, cert };
  }
  const own = { key: readText(tls.key, 'a PEM file is needed'), cert: readText(tls.cert, 'a PEM file is needed') };
  const wrong = unusableCertificate(own, config.edge.server_names, Date.now());
  if (wrong !== undefined) throw config.fault({ ...wrong, path: ['edge', 'tls', wrong.half] });
  return own;
}

/** A question to zone 1. */
interface Waiting {
  /** The place of what zone 1 finds wrong. */
  fault(message: string): ConfigError;
  resolve(message: FromGateway): void;
  reject(error: Error): void;
}

/** Zone 0's end of its connection with zone 1. */
export class GatewayHandle {
  readonly zone: Zone<ToGateway>;
  applied = 0;
  #signer: BundleSigner | undefined;
  #version = 0;
  #previous: string | null = null;
  #endRenewal = (): void => undefined;
  #counts: Extract<FromGateway, { kind: 'counts' }> | undefined;
  #spent: SpentFile | undefined;
  #issuer: Issuer | undefined;
  #leases: Leases | undefined;
  /** In the order of what was asked, which is the order of the answers. */
  #waiting: Waiting[] = [];

  constructor() {
    const main = join(import.meta.dirname, '../main.ts');
    this.zone = startZone<ToGateway, FromGateway>({ name: 'gateway', main, ownMounts: false }, (message) => {
      if (message.kind === 'issuer') void this.#answer(message.id, message.request);
      else if (message.kind === 'confirm') this.#confirm(message.id, message.call);
      else if (message.kind === 'lease') void this.#lend(message.id, message.wish);
      else if (message.kind === 'prove') void this.#prove(message.id, message.wish);
      else if (message.kind === 'revoke') void this.#leases?.giveBack(message.leases);
      else if (message.kind === 'counts') this.#counts = message;
      else if (message.kind === 'spent') this.#spent?.add(message.spendings);
      else this.#settle(message);
    });
    void this.zone.exited.then(() => {
      for (const { reject } of this.#waiting.splice(0)) reject(new SafetyError('the gateway zone ended'));
    });
  }

  async open(config: Config, pki: Pki, runtimeSocket: string): Promise<number> {
    const budgets = new SpentFile(config.state, Date.now);
    this.#spent = budgets;
    this.#signer = bundleSigner(pki.bundleKey.privatePem);
    const { host, port } = config.edge.listen;
    const { cert, key } = await certificate(config, pki);
    const renew = async (): Promise<void> =>
      this.zone.send({ kind: 'certificate', ...(await certificate(config, pki)) });
    const renewed = (): void => void renew().catch((error) => complain(`no new certificate: ${String(error)}`));
    const timer = setInterval(renewed, RENEW_EVERY);
    const { tls } = config.edge;
    const unwatch = watchFiles(
      [tls.cert, tls.key].filter((path) => path !== undefined),
      renewed,
    );
    this.#endRenewal = () => {
      clearInterval(timer);
      unwatch();
    };
    const folder = join(config.state, 'audit');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const audit = { file: join(folder, 'audit.jsonl'), key: pki.auditKey.privatePem };
    const { stateStore } = config;
    const clientCertificates = tls.client_ca !== undefined || config.identity.spiffe !== undefined;
    const own = { serverNames: config.edge.server_names, key, cert, clientCertificates };
    const opening = { host, port, ...own, audit, stateStore, runtimeSocket };
    const answer = await this.#ask(
      { kind: 'open', opening: { ...opening, bundleKey: pki.bundleKey.publicPem, spent: budgets.current() } },
      (message) =>
        notListening(message, config, 'edge') ??
        noStateStore(message, config) ??
        config.fault({ path: ['edge'], message }),
    );
    if (answer.kind !== 'listening') throw new SafetyError('the gateway zone did not open');
    return answer.port;
  }

  async stop(): Promise<void> {
    this.#endRenewal();
    await this.zone.stop(GATEWAY_GRACE);
    this.#spent?.flush();
  }

  /** What budgets have come to. */
  budgets(): readonly Account[] {
    return this.#spent?.current() ?? [];
  }

  serveIssuer(issuer: Issuer): void {
    this.#issuer = issuer;
  }

  /** A person has been where a client was to lead him. */
  visited(visit: string): void {
    this.zone.send({ kind: 'visited', visit });
  }

  serveLeases(leases: Leases): void {
    this.#leases = leases;
  }

  /** @throws ConfigError when the zone cannot use it, and goes on with the bundle before */
  async apply(bundle: Omit<GatewayBundle, 'version'>, config: Config): Promise<void> {
    if (this.#signer === undefined) throw new SafetyError('the gateway zone has not opened');
    const { envelope, digest } = this.#signer.sign({ ...bundle, version: ++this.#version }, this.#previous);
    this.#previous = digest;
    const answer = await this.#ask({ kind: 'bundle', envelope }, (message) =>
      config.fault({ path: ['servers'], message, mend: 'run `innerkeep add` for that server again' }),
    );
    if (answer.kind !== 'applied') throw new SafetyError('the gateway zone did not take the bundle');
    this.applied = answer.version;
  }

  metrics() {
    const memory = { control: process.memoryUsage.rss(), gateway: this.#counts?.memory ?? 0 };
    return { calls: this.#counts?.calls ?? 0, refusals: this.#counts?.refusals ?? {}, memory };
  }

  #ask(message: ToGateway, fault: Waiting['fault']): Promise<FromGateway> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ fault, resolve, reject });
      this.zone.send(message);
    });
  }

  #settle(answer: FromGateway): void {
    const asked = this.#waiting.shift();
    if (answer.kind === 'refused') asked?.reject(refusedBy(answer, (_, message) => asked.fault(message)));
    else asked?.resolve(answer);
  }

  #confirm(id: number, call: CallToConfirm): void {
    this.zone.send({ kind: 'confirmation', id, answer: this.#issuer?.confirm(call) ?? { kind: 'full' } });
  }

  async #lend(id: number, wish: LeaseWish): Promise<void> {
    const answer = (await this.#leases?.lend(wish)) ?? { missing: 'no secret store is open' };
    this.zone.send({ kind: 'leased', id, answer });
  }

  async #prove(id: number, wish: ProofWish): Promise<void> {
    this.zone.send({ kind: 'proved', id, proof: await this.#leases?.prove(wish) });
  }

  async #answer(id: number, request: IssuerRequest): Promise<void> {
    const unavailable = { status: 503, headers: {}, body: '' };
    const answer = await this.#issuer?.handle(request).catch(complain);
    this.zone.send({ kind: 'issued', id, answer: answer ?? unavailable });
  }
}
