import type { SchemaJson, Type, TypeOfAttribute } from '@cedar-policy/cedar-wasm/nodejs';
import type { ActionType } from './actions.ts';
import type { ArgumentType } from './argument-types.ts';

/** What `context` has beside `args`. */
export const CONTEXT: Readonly<Record<string, TypeOfAttribute<string>>> = {
  hour: { type: 'Long' },
  mfa_age_s: { type: 'Long', required: false },
};

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
export function cedarSchema(actions: ReadonlyMap<string, ActionType>): SchemaJson<string> {
  const person = structuredClone(principal) as never;
  return {
    '': {
      entityTypes: { User: person, Workload: person, Tenant: {}, Group: {} },
      actions: Object.fromEntries(
        [...actions].map(([name, { args }]) => [
          name,
          {
            appliesTo: {
              principalTypes: ['User', 'Workload'],
              resourceTypes: ['Tenant'],
              context: { type: 'Record', attributes: { args: cedarType(args), ...CONTEXT } },
            },
          },
        ]),
      ),
    },
  };
}

function cedarType(type: ArgumentType): Type<string> {
  if (type.kind === 'Set') return { type: 'Set', element: cedarType(type.element) };
  if (type.kind !== 'Record') return { type: type.kind };
  const attributes = [...type.attributes].map(([name, { type, required }]) => [name, { ...cedarType(type), required }]);
  return { type: 'Record', attributes: Object.fromEntries(attributes) };
}
