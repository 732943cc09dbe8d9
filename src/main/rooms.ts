import packageJson from '../../package.json' with { type: 'json' };
import type { GatewayBundle } from '../contract/bundle.ts';
import { loadCedar } from '../drivers/policy-engine/cedar/load.ts';
import type { authenticateStage } from '../gateway/authentication/stage.ts';
import { authorizeStage, visibility } from '../gateway/authorization/authorize.ts';
import { createCatalogue } from '../gateway/descriptors/catalogue.ts';
import { identifyStage } from '../gateway/descriptors/identify.ts';
import { lists } from '../gateway/descriptors/lists.ts';
import { outbound } from '../gateway/descriptors/outbound.ts';
import { createVisibility } from '../gateway/descriptors/visibility.ts';
import { executeStage, type Remote } from '../gateway/execution/execute.ts';
import type { RuntimeLink } from '../gateway/execution/runtime-link.ts';
import { compileInputs } from '../gateway/input-validation/compile.ts';
import { validateStage } from '../gateway/input-validation/validate.ts';
import { sanitizeStage } from '../gateway/output-sanitization/sanitize.ts';
import type { Rooms } from '../gateway/pipeline.ts';
import { frame } from '../gateway/protocol/frame.ts';
import { decodeHeader } from '../gateway/protocol/headers.ts';
import { lifecycle } from '../gateway/protocol/lifecycle.ts';
import { answeredBy } from '../gateway/protocol/methods.ts';
import { acceptedAnswer, refusalAnswer, resultAnswer } from '../gateway/protocol/respond.ts';
import { guard } from '../gateway/transport/guard.ts';
import { asFailure } from '../runtime/upstream/upstream.ts';

type Authenticate = ReturnType<typeof authenticateStage>;

/**
 * Furnishes every room for one bundle.
 * @param authenticate outlives bundles: it holds verdicts and foreign issuers' keys, and asks for the bundle at each call
 * @throws Error naming what of the bundle cannot be used
 */
export function furnish(
  bundle: GatewayBundle,
  authenticate: Authenticate,
  link: RuntimeLink,
  remotes: ReadonlyMap<string, Remote>,
): Rooms {
  const { servers, edge } = bundle;
  const { engine, problems } = loadCedar(
    bundle.policies,
    servers.map(({ pins }) => pins),
  );
  const broken = problems.find(({ severity }) => severity === 'error');
  if (broken !== undefined) throw new Error(`${broken.file}:${broken.line}: ${broken.message}`);
  const inputs = compileInputs(servers);
  const [unusable] = inputs.refused;
  if (unusable !== undefined) throw new Error(`${unusable.server}: ${unusable.error.message}`);

  const byName = new Map(servers.map((server) => [server.pins.name, server]));
  const seen = visibility({ engine, now: Date.now });
  const catalogue = createCatalogue(servers);
  const visible = (...[subject, action]: Parameters<Parameters<typeof createVisibility>[1]>): boolean => {
    const server = byName.get(action.split(/[/#]/, 1)[0] ?? '');
    return server !== undefined && seen(subject, action, server);
  };
  const shown = createVisibility(catalogue, visible);
  const answerLists = lists({ catalogue, visibility: shown, visible });
  const answerLifecycle = lifecycle({ version: packageJson.version, servers: shown.servers });

  return {
    version: bundle.version,
    authenticate,
    guard: (call) => guard(call, edge),
    frame,
    answer: (call) => {
      if (call.frame.id === undefined || call.frame.response) return acceptedAnswer();
      shown.admit(call);
      const by = answeredBy(call.frame);
      const result = by === 'lifecycle' ? answerLifecycle(call) : answerLists(call);
      return result === undefined ? undefined : resultAnswer(call.frame, result);
    },
    identify: identifyStage({ catalogue, visibility: shown, visible, decodeHeader }),
    validate: validateStage({ inputs: inputs.byAction }),
    authorize: authorizeStage({ engine, servers, now: Date.now }),
    execute: executeStage({ link, remotes, failureOf: asFailure }),
    sanitize: sanitizeStage({
      outbound: ({ target, arrived, frame: { modern } }, raw) =>
        outbound(target, arrived.server === undefined, modern, raw),
      maxResult: (server) => byName.get(server)?.maxResult ?? 0,
    }),
    respond: (call) => resultAnswer(call.frame, call.result),
    refuse: (refusal, call, frame) => refusalAnswer(refusal, call, edge, frame),
  };
}
