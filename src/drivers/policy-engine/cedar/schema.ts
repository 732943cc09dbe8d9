import type { SchemaJson, Type, TypeOfAttribute } from '@cedar-policy/cedar-wasm/nodejs';
import type { PolicyWorld } from '../../../contract/policy-world.ts';
import { type ActionType, membersOf } from '../host/actions.ts';
import type { ArgumentType } from '../host/argument-types.ts';

type Attributes = Readonly<Record<string, TypeOfAttribute<string>>>;

const LABELS = { type: 'Set', element: { type: 'String' } } as const;
const COUNT = { type: 'Long' } as const;

/** What `context` has beside `args`. What this gateway is not told is not there: a policy cannot wait for it in vain. */
export function contextOf({ facts }: PolicyWorld, actions: Iterable<string>): Attributes {
  return {
    hour: COUNT,
    weekday: COUNT,
    mfa_age_s: { ...COUNT, required: false },
    ...(facts.ip_risk && { ip_risk: COUNT }),
    ...(facts.device && { device: { type: 'String', required: false } }),
    tool: record({ reads: LABELS, writes: LABELS, step_up: { type: 'Boolean' } }),
    session: sessionOf(actions),
  };
}

function sessionOf(actions: Iterable<string>): TypeOfAttribute<string> {
  const calls = record(Object.fromEntries([...actions].map((name) => [name, COUNT])));
  return record({ reads: LABELS, writes: LABELS, approved: LABELS, calls });
}

function record(attributes: Attributes): TypeOfAttribute<string> {
  return { type: 'Record', attributes };
}

const principal = {
  memberOfTypes: ['Tenant', 'Group'],
  shape: {
    type: 'Record',
    attributes: {
      tenant: { type: 'String' },
      groups: { type: 'Set', element: { type: 'String' } },
      acr: { type: 'String', required: false },
    },
  },
} as const;

/** Cedar's schema for the pinned servers: what `policy lint` and the start validate policies against. */
export function cedarSchema(world: PolicyWorld, actions: ReadonlyMap<string, ActionType>): SchemaJson<string> {
  const person = structuredClone(principal) as never;
  // One type for all actions: each names all others.
  const context = { ...contextOf(world, []), session: { type: 'Session' } };
  const groups = [...membersOf(actions).keys()].map((name) => [name, {}]);
  return {
    '': {
      entityTypes: {
        ...{ User: person, Workload: person, Tenant: {}, Group: { memberOfTypes: ['Group'] } },
        Project: { memberOfTypes: ['Tenant'] },
        Schema: { memberOfTypes: ['Project', 'Tenant'] },
      },
      commonTypes: { Session: sessionOf(actions.keys()) as never },
      actions: Object.fromEntries([
        ...groups,
        ...[...actions].map(([name, { args, resource, groups }]) => [
          name,
          {
            memberOf: groups.map((id) => ({ id })),
            appliesTo: {
              principalTypes: ['User', 'Workload'],
              resourceTypes: [resource],
              context: { type: 'Record', attributes: { args: cedarType(args), ...context } },
            },
          },
        ]),
      ]),
    },
  };
}

function cedarType(type: ArgumentType): Type<string> {
  if (type.kind === 'Set') return { type: 'Set', element: cedarType(type.element) };
  if (type.kind !== 'Record') return { type: type.kind };
  const attributes = [...type.attributes].map(([name, { type, required }]) => [name, { ...cedarType(type), required }]);
  return { type: 'Record', attributes: Object.fromEntries(attributes) };
}
