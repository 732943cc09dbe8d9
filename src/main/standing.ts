import type { Clock } from '../contract/clock.ts';
import type { Soon } from '../contract/soon.ts';
import type { Admitted } from '../contract/tool-call.ts';
import type { authenticateStage } from '../gateway/authentication/stage.ts';
import type { Histories } from '../gateway/authorization/histories.ts';
import type { Asked, RecentDecisions } from '../gateway/decisions/recent.ts';
import type { Catalogue } from '../gateway/descriptors/catalogue.ts';
import type { HeldCalls } from '../gateway/execution/held-calls.ts';
import type { Lending } from '../gateway/execution/lending.ts';
import type { StateSeal } from '../gateway/execution/sealed-state.ts';
import type { Pace } from '../gateway/limits/pace.ts';
import type { Rooms } from '../gateway/pipeline.ts';
import type { Remainders } from '../gateway/remainders/remainders.ts';
import type { Replicas } from '../gateway/replicas/replicas.ts';
import type { Led } from '../gateway/sessions/led.ts';
import type { Sessions } from '../gateway/sessions/sessions.ts';
import type { StepUpDeps } from '../gateway/step-up/stage.ts';
import type { Subscriptions, View } from '../gateway/subscriptions/subscriptions.ts';
import type { Permits, Tasks } from '../gateway/tasks/tasks.ts';
import type { LimitStanding } from './limit-rooms.ts';

/** What outlives bundles. */
export interface Standing extends LimitStanding {
  readonly clock: Clock;
  /** Holds verdicts and foreign issuers' keys, and asks for the bundle at each call. */
  readonly authenticate: ReturnType<typeof authenticateStage>;
  readonly sessions: Sessions;
  /** Absent: there are none. */
  readonly replicas: Pick<Replicas, 'ofSession' | 'ofSubject' | 'ofTask' | 'ofOthers' | 'keepHere'> | undefined;
  readonly subscriptions: Subscriptions;
  readonly tasks: Tasks;
  readonly seal: StateSeal;
  readonly held: HeldCalls;
  /** By the newest bundle. */
  readonly stillMay: (call: Admitted) => Soon<boolean>;
  readonly lender: Pick<Lending, 'lend' | 'giveBack' | 'prove'>;
  /** Asks zone 0 whether a person has confirmed a call. */
  readonly confirm: StepUpDeps['confirm'];
  readonly led: Led;
  readonly pace: Pace;
  readonly remainders: Remainders;
  readonly histories: Histories;
  readonly recent: RecentDecisions;
}

export interface Furnished {
  readonly rooms: Rooms;
  readonly view: View;
  readonly permits: Permits;
  /** Whether a call that was admitted before would be permitted now. */
  readonly stillMay: (call: Admitted) => Soon<boolean>;
  readonly lending: Lending;
  /** What a subject that asked this once would be told. */
  readonly judge: (asked: Asked) => Soon<boolean>;
  readonly leftOut: Catalogue['leftOut'];
}
