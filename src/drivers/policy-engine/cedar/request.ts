import type { CedarValueJson, EntityJson, StatefulAuthorizationCall } from '@cedar-policy/cedar-wasm/nodejs';
import type { Question } from '../../../contract/policy-engine.ts';
import type { Reads } from './reads.ts';
import { nameOf, type Placed, type Uid, uidOf } from './scope.ts';

type Facts = Omit<Question, 'arguments'>;
export type Request = Omit<StatefulAuthorizationCall, 'preparsedPolicySetId'>;

/** The entities that a question is about. */
export interface Parties {
  readonly principal: Placed;
  readonly action: Placed;
  readonly resource: Placed;
}

/**
 * The question to Cedar, without what no policy of the slice reads: each attribute, parent and entity costs. Equal ones
 * have equal answers.
 */
export function requestOf(
  { subject, context }: Facts,
  { principal, action, resource }: Parties,
  reads: Reads,
  args: Readonly<Record<string, CedarValueJson>>,
): Request {
  const attributes: Record<string, CedarValueJson> = { tenant: subject.tenant, groups: [...subject.groups] };
  if (subject.acr !== undefined) attributes.acr = subject.acr;
  const facts: Record<string, CedarValueJson> = { hour: context.hour };
  if (context.mfa_age_s !== undefined) facts.mfa_age_s = context.mfa_age_s;
  const whole = reads.facts.some((path) => path.length === 0);
  const read = whole ? undefined : new Set(reads.facts.map(([first]) => first));
  return {
    principal: principal.uid,
    action: action.uid,
    resource: resource.uid,
    context: { ...only(facts, read), ...((reads.wanted?.size !== 0 || whole) && { args }) },
    entities: [
      ...entityOf(principal, only(attributes, reads.attributes), reads.places),
      ...entityOf(action, {}, reads.places),
      ...entityOf(resource, {}, reads.places),
    ],
  };
}

function only<V>(all: Record<string, V>, read: ReadonlySet<string | undefined> | undefined): Record<string, V> {
  if (read === undefined) return all;
  const some: Record<string, V> = {};
  for (const name of Object.keys(all)) {
    const value = all[name];
    if (value !== undefined && read.has(name)) some[name] = value;
  }
  return some;
}

/** Nothing where there is nothing to tell: an entity that Cedar does not know has no attributes and is in nothing. */
function entityOf(
  { uid, ancestors }: Placed,
  attrs: Record<string, CedarValueJson>,
  places: ReadonlySet<string> | undefined,
): readonly EntityJson[] {
  const parents: Uid[] = [];
  // What is above a parent is named beside it, so that parents need no entities of their own.
  for (const name of ancestors) if (places?.has(name) ?? true) parents.push(uidOf(name));
  if (parents.length === 0 && Object.keys(attrs).length === 0) return [];
  return [{ uid, attrs, parents }];
}

export function placed(uid: Uid, ancestors: ReadonlySet<string>): Placed {
  return { uid, name: nameOf(uid), ancestors };
}
