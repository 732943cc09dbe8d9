import { createPublicKey, type KeyObject } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import type { AuditRecord, AuditSink } from '../contract/audit-sink.ts';
import type { GatewayBundle } from '../contract/bundle.ts';
import { Refusal } from '../contract/refusal.ts';
import type { BundleId } from '../contract/signed-bundle.ts';
import { when } from '../contract/soon.ts';
import type { StateStore } from '../contract/state-store.ts';
import type { CallToConfirm, Confirmation } from '../contract/step-up.ts';
import { type Stop, stopText } from '../contract/stops.ts';
import type { Admitted, Subject } from '../contract/tool-call.ts';
import type { UpstreamListening } from '../contract/upstream.ts';
import type { GatewayOpening, IssuerAnswer, IssuerRequest, Rehearsal } from '../contract/zone-link.ts';
import { profilesOf } from '../control-plane/packages/profile.ts';
import { edgeBudget, recordAttempt } from '../gateway/audit/trail.ts';
import { authenticateStage } from '../gateway/authentication/stage.ts';
import { Histories } from '../gateway/authorization/histories.ts';
import { openBundle } from '../gateway/bundles/open-bundle.ts';
import { RecentDecisions, rehearse } from '../gateway/decisions/recent.ts';
import { HeldCalls, holding } from '../gateway/execution/held-calls.ts';
import { RuntimeLink } from '../gateway/execution/runtime-link.ts';
import { withStandingLoan } from '../gateway/execution/standing-loan.ts';
import { ContextBudgets } from '../gateway/limits/context.ts';
import { Flights } from '../gateway/limits/flights.ts';
import { Pace } from '../gateway/limits/pace.ts';
import { useOwnRules } from '../gateway/output-sanitization/filter.ts';
import { redactJson } from '../gateway/output-sanitization/redact-json.ts';
import { createPipeline, type Rooms } from '../gateway/pipeline.ts';
import { Remainders } from '../gateway/remainders/remainders.ts';
import { Led } from '../gateway/sessions/led.ts';
import { type OpenSession, Sessions } from '../gateway/sessions/sessions.ts';
import { Running } from '../gateway/stops/running.ts';
import { Subscriptions, type View } from '../gateway/subscriptions/subscriptions.ts';
import { Tasks } from '../gateway/tasks/tasks.ts';
import { createEdge, type Edge } from '../gateway/transport/edge.ts';
import { openOutbound } from '../gateway/transport/outbound.ts';
import { asFailure, type Upstream } from '../runtime/upstream/upstream.ts';
import { Asker } from './asker.ts';
import { clock } from './clock.ts';
import { authoritiesOf, type GatewayGround, NOBODY, UNAVAILABLE } from './gateway-ground.ts';
import { auditDeps, openAudit, openState } from './gateway-openings.ts';
import { Judging } from './judging.ts';
import { Lender } from './lending.ts';
import { fault, log, textOf } from './log.ts';
import { Outbox } from './outbox.ts';
import { openPolicies } from './policies.ts';
import { Remotes } from './remotes.ts';
import { openReplicas, stateSeal } from './replicas.ts';
import { furnish } from './rooms.ts';
import type { Furnished, Standing } from './standing.ts';

/** Anonymous refusals a second that are recorded one by one, and as many events of connections that are logged. */
const EDGE_RECORDS = 50;
/** Milliseconds that calls in flight get when the zone ends. */
const GRACE = 3000;
const COUNTS_EVERY = 1000;

/** Zone 1: the edge, the pipeline, and the rooms of the bundle that is in force. */
export class GatewayZone {
  readonly #ground: GatewayGround;
  readonly #sink: AuditSink;
  readonly #state: StateStore;
  readonly #asksClients: boolean;
  readonly #bundleKey: KeyObject;
  readonly #edge: Edge;
  readonly #remotes = new Remotes();
  readonly #counts = { calls: 0, refusals: {} as Record<string, number> };
  readonly #running = new Running((subject) => !this.#isSuspended && !this.#isRevoked(subject));
  readonly #outbox: Outbox;
  readonly #replicas: ReturnType<typeof openReplicas>;
  #bundle: GatewayBundle | undefined;
  #rooms: Rooms | undefined;
  readonly #link: RuntimeLink;
  #held: BundleId | undefined;
  #stillMay: Furnished['stillMay'] = () => false;
  #lending: Furnished['lending'] | undefined;
  #judge: Furnished['judge'] = () => false;
  #applying: Promise<unknown> = Promise.resolve();
  readonly #judging: Judging;
  #upstreams: ReadonlyMap<string, Upstream> = new Map();
  readonly #standing: Standing;
  readonly lender: Lender;
  /** Has a person confirmed a call? */
  readonly confirmations: Asker<CallToConfirm, Confirmation>;
  /** The pages of the issuer. */
  readonly pages: Asker<IssuerRequest, IssuerAnswer>;

  #isSuspended = false;
  #revoked: ReadonlySet<string> = new Set();
  port = 0;

  /** @throws Error naming what of its opening cannot be done; AuditLogBroken */
  static async open(opening: GatewayOpening, ground: GatewayGround): Promise<GatewayZone> {
    let opened: GatewayZone | undefined;
    const state = await openState(opening, {
      seals: () => (opened === undefined ? [] : (opened.#bundle?.stateSeals ?? [])),
      told: (detail, alert) => opened?.alert(detail, alert),
    });
    opened = new GatewayZone(opening, state, ground);
    opened.port = await opened.#edge.listen(opening.host, opening.port, opening.isShared);
    return opened;
  }

  constructor(opening: GatewayOpening, state: StateStore, ground: GatewayGround) {
    const { send } = ground;
    this.#ground = ground;
    this.#state = state;
    this.#asksClients = opening.clientCertificates;
    this.#bundleKey = createPublicKey(ground.bundleKey);
    this.#sink = openAudit(ground.auditFile, opening.auditKey);
    this.#judging = new Judging(this.#sink);
    this.lender = new Lender(send);
    this.#outbox = new Outbox(send);
    this.confirmations = new Asker((id, call) => send({ kind: 'confirm', id, call }), NOBODY);
    this.pages = new Asker((id, request) => send({ kind: 'issuer', id, request }), UNAVAILABLE);
    const provisional = { origin: '', serverNames: [], allowedOrigins: [], unauthenticated: 421, maxBody: 0 } as const;
    const audit = auditDeps(this.#sink, EDGE_RECORDS);
    const home = state.mail?.me;
    const shared = home === undefined ? {} : { shared: { records: state.records, me: home } };
    const sessions = new Sessions({ clock, ...shared });
    const tasks = new Tasks({ clock, home });
    const seal = stateSeal(state, () => this.#inForce().stateSeals);
    const handle = createPipeline({
      rooms: () => (this.#isSuspended ? undefined : this.#rooms),
      audit,
      fault: (incident, error) => fault(error, incident),
      count: (code) => this.#count(code),
    });
    this.#replicas = openReplicas({ clock, state, sessions, seal, handle, servers: () => this.#inForce().servers });
    const pace = new Pace(() => performance.now());
    this.#standing = {
      clock,
      authenticate: authenticateStage({
        bundle: () => this.#inForce(),
        fetchPublic: openOutbound(),
        state,
        now: Date.now,
        sources: {
          demand: (remote) => pace.demandSource(remote, this.#inForce().limits),
          bad: (remote) => pace.badSource(remote, this.#inForce().limits),
        },
      }),
      sessions,
      replicas: this.#replicas,
      tasks,
      subscriptions: new Subscriptions({
        listen: (server, listening, call) => this.#listen(server, listening, call),
        clock,
        redact: (json) => redactJson(json).json,
        watchTask: (call, id, tell) => tasks.watch(call, id, tell),
        fault,
      }),
      seal,
      held: new HeldCalls(holding, home),
      stillMay: (call) => !this.#isSuspended && this.#stillMay(call),
      lender: this.lender,
      confirm: (call) => this.confirmations.ask(call),
      led: new Led(),
      pace,
      contexts: new ContextBudgets(() => performance.now()),
      remainders: new Remainders(clock, {}, state.mail?.me),
      flights: new Flights(),
      state,
      running: this.#running,
      histories: new Histories(Date.now, home === undefined ? undefined : state.records),
      spent: (spendings) => void ground.send({ kind: 'spent', spendings }),
      turned: (turned) => this.#outbox.tell({ kind: 'turned', turned }),
      recent: new RecentDecisions(),
      audit,
      fault,
    };
    this.#link = new RuntimeLink(ground.runtimeSocket, (server, attempt) => {
      recordAttempt(audit, server, attempt).catch(fault);
    });
    const logged = edgeBudget(EDGE_RECORDS, Date.now);
    this.#edge = createEdge({
      identity: {
        serverNames: opening.serverNames,
        cert: opening.cert,
        key: opening.key,
        clientAuthorities: opening.clientCertificates ? [] : undefined,
      },
      settings: () => this.#bundle?.edge ?? provisional,
      issuers: () => this.#bundle?.issuers.map(({ issuer }) => issuer) ?? [],
      handle,
      issuer: (request) => this.pages.ask(request),
      report: (event) => {
        const { write, suppressed } = logged();
        if (write) log({ event: 'edge', ...event, ...(suppressed > 0 && { suppressed }) });
      },
      now: Date.now,
    });
    setInterval(() => this.#report(), COUNTS_EVERY).unref();
  }

  /**
   * Swaps everything that a gateway decides by, between two calls; what is in flight ends by what it began with. A bundle
   * that is not zone 0's newest, or cannot be used, changes nothing.
   * @throws BundleRefused, or Error naming what of the bundle cannot be used
   */
  apply(envelope: string): Promise<BundleId> {
    const applied = this.#applying.then(() => this.#apply(envelope));
    // One after another: each has to be newer than what is in force when its turn has come.
    this.#applying = applied.catch(() => undefined);
    return applied;
  }

  async #apply(envelope: string): Promise<BundleId> {
    let opened: ReturnType<typeof openBundle>;
    let swap: () => void;
    try {
      opened = openBundle(envelope, this.#bundleKey, this.#held);
      swap = await this.#prepare(opened.bundle as unknown as GatewayBundle);
      this.#ground.keep(envelope);
    } catch (error) {
      this.#record({ code: 'refused', detail: textOf(error) });
      throw error;
    }
    swap();
    const { version, digest } = opened;
    this.#held = { version, digest };
    this.#record({ bundle: version, digest });
    return this.#held;
  }

  /**
   * Tries a bundle that never comes into force: what of it cannot be used, and whose newest answers it would change.
   * @throws Error naming what of the bundle cannot be used
   */
  async rehearse(bundle: GatewayBundle, last: number): Promise<Rehearsal> {
    const { engine, close } = await openPolicies(bundle);
    try {
      const { judge } = furnish(bundle, engine, this.#standing, this.#link, this.#upstreams);
      const pause = () => new Promise<void>((resolve) => setImmediate(resolve));
      return await rehearse(this.#standing.recent.newest(last), this.#judge, judge, pause);
    } finally {
      await close();
    }
  }

  get held(): BundleId | undefined {
    return this.#held;
  }

  /** Milliseconds that it may go on without zone 0. */
  get away(): number {
    return this.#bundle?.away ?? 0;
  }

  /** Fails closed: nothing is served, and whoever is here leaves. What is in flight ends by what it began with. */
  suspend(detail: string): void {
    this.#isSuspended = true;
    this.#record({ code: 'unavailable', detail, alert: true });
    this.#leave(() => true);
  }

  /** Serves again by the bundle that it holds. */
  resume(): void {
    if (!this.#isSuspended) return;
    this.#isSuspended = false;
    this.#record({ ...this.#held, bundle: this.#held?.version ?? 0, detail: 'zone 0 is back' });
  }

  /** The connection with zone 0 is gone, and with it the answers that were waited for. */
  lost(): void {
    this.lender.lost();
    this.confirmations.lost();
    this.pages.lost();
  }

  #record(facts: Partial<AuditRecord>): void {
    this.#sink.append({ time: new Date().toISOString(), event: 'bundle', ...facts }).catch((error) => {
      log({ event: 'fault', error: `a record could not be written: ${textOf(error)}` });
    });
  }

  #recordStops(before: readonly Stop[], now: readonly Stop[]): void {
    if (isDeepStrictEqual(before, now)) return;
    this.alert(now.length === 0 ? 'nothing is stopped any more' : `stopped: ${now.map(stopText).join(', ')}`, true);
  }

  /** Puts on record what concerns no one call. @param alert whether somebody should look at it now */
  alert(detail: string, alert: boolean): void {
    log({ event: 'alert', detail });
    this.#record({ event: 'alert', ...(alert && { alert }), detail });
  }

  /** @throws Error naming what of the bundle cannot be used */
  async #prepare(bundle: GatewayBundle): Promise<() => void> {
    const policies = await this.#judging.open(bundle);
    const remotes = this.#remotes.prepare(bundle.servers);
    const { rooms, view, permits, stillMay, lending, judge, leftOut } = furnish(
      bundle,
      policies.engine,
      this.#standing,
      this.#link,
      remotes.upstreams,
    );
    if (this.#asksClients) this.#edge.renew({ clientAuthorities: authoritiesOf(bundle) });
    const profiles = profilesOf(bundle.servers);
    return () => {
      remotes.swap();
      this.#link.demand(profiles);
      this.#upstreams = remotes.upstreams;
      this.#rooms = rooms;
      this.#standing.tasks.judgeBy(permits);
      this.#stillMay = stillMay;
      this.#lending = lending;
      this.#judging.use(policies);
      this.#recordStops(this.#bundle?.stops ?? [], bundle.stops);
      this.#judge = judge;
      this.#bundle = bundle;
      useOwnRules(bundle.secretRules ?? []);
      this.#revoked = new Set(bundle.revoked);
      this.#running.stop(bundle.stops);
      for (const tool of leftOut) log({ event: 'tool-left-out', ...tool });
      this.#tell(view);
    };
  }

  /** Clients in mid-stream learn what the bundle changes for them; who may be here no more leaves. */
  #tell(view: View): void {
    const { sessions, subscriptions } = this.#standing;
    this.#leave((subject) => this.#isRevoked(subject));
    const open: OpenSession[] = [];
    sessions.each((session) => open.push(session));
    void subscriptions.bundleApplied(view, open);
  }

  #isRevoked({ tokenId }: Subject): boolean {
    return tokenId !== undefined && this.#revoked.has(tokenId);
  }

  #leave(leaves: (subject: Subject) => boolean): void {
    const { sessions, subscriptions, tasks, held, remainders } = this.#standing;
    sessions.revoke(leaves);
    remainders.revoke(leaves);
    subscriptions.revoke(leaves);
    tasks.revoke(leaves);
    held.end((call) => leaves(call.subject) || when(this.#stillMay(call), (may) => !may));
  }

  async #listen(server: string, listening: UpstreamListening, call: Admitted): Promise<void> {
    const [remote, lending] = [this.#upstreams.get(server), this.#lending];
    if (remote === undefined) return this.#link.listen(server, listening);
    try {
      if (!lending?.needed(server)) await remote.listen(listening);
      else
        await withStandingLoan(lending, clock, call, (loan, over) =>
          remote.listen({ ...listening, loan, signal: AbortSignal.any([listening.signal, over]) }),
        );
    } catch (error) {
      if (error instanceof Refusal) throw error;
      const { code, detail } = asFailure(error);
      throw new Refusal(code, detail);
    }
  }

  renew(identity: { readonly key: string; readonly cert: string }): void {
    try {
      this.#edge.renew(identity);
    } catch (error) {
      log({ event: 'fault', error: `the new certificate cannot be used: ${textOf(error)}` });
    }
  }

  visited(visit: string): void {
    this.#standing.led.visited(visit);
  }

  async close(): Promise<void> {
    this.#standing.subscriptions.close();
    this.#standing.sessions.close();
    this.#replicas?.close();
    const ended = this.#standing.tasks.close();
    await this.#edge.close(GRACE);
    this.#standing.held.close();
    this.#link.close();
    await this.#remotes.close();
    await ended;
    await this.#state.close();
    await this.#judging.close();
    this.#sink.close();
  }

  #inForce(): GatewayBundle {
    if (this.#bundle === undefined) throw new Refusal('unavailable', 'no bundle has arrived');
    return this.#bundle;
  }

  #count(code: string): void {
    this.#counts.calls++;
    if (code !== 'ok') this.#counts.refusals[code] = (this.#counts.refusals[code] ?? 0) + 1;
  }

  #report(): void {
    this.#outbox.flush();
    this.#ground.send({ kind: 'counts', ...this.#counts, memory: process.memoryUsage.rss() });
  }
}
