import type { CedarValueJson, EntityJson, StatefulAuthorizationCall } from '@cedar-policy/cedar-wasm/nodejs';
import type { Facts, RequestFacts, SessionFacts } from '../../../contract/policy-engine.ts';
import type { Parties } from './parties.ts';
import type { Reads } from './reads.ts';
import { type Placed, type Uid, uidOf } from './scope.ts';

export type Request = Omit<StatefulAuthorizationCall, 'preparsedPolicySetId'>;

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
  const { told, whole } = reads;
  return {
    principal: principal.uid,
    action: action.uid,
    resource: resource.uid,
    context: { ...factsOf(context, told), ...((reads.wanted?.size !== 0 || whole) && { args }) },
    entities: [
      ...entityOf(principal, only(attributes, reads.attributes), reads.places),
      ...entityOf(action, {}, reads.places),
      ...entityOf(resource, {}, reads.places),
    ],
  };
}

function factsOf(facts: RequestFacts, told: Reads['told']): Record<string, CedarValueJson> {
  const read: Record<string, CedarValueJson> = {};
  if (told.has('hour')) read.hour = facts.hour;
  if (told.has('weekday')) read.weekday = facts.weekday;
  if (told.has('mfa_age_s') && facts.mfa_age_s !== undefined) read.mfa_age_s = facts.mfa_age_s;
  if (told.has('ip_risk') && facts.ip_risk !== undefined) read.ip_risk = facts.ip_risk;
  if (told.has('device') && facts.device !== undefined) read.device = facts.device;
  if (told.has('tool')) {
    const { reads, writes, step_up } = facts.tool;
    read.tool = { reads: [...reads], writes: [...writes], step_up };
  }
  const counted = told.get('session');
  if (counted !== undefined) read.session = sessionOf(facts.session, counted);
  return read;
}

/** In the order of the policies' own mentions: equal facts become equal JSON. */
function sessionOf({ reads, writes, approved, calls }: SessionFacts, counted: readonly string[]): CedarValueJson {
  const labels = (list: readonly string[]) => list.toSorted();
  const counts = Object.fromEntries(counted.map((name) => [name, calls[name] ?? 0]));
  return { reads: labels(reads), writes: labels(writes), approved: labels(approved), calls: counts };
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
