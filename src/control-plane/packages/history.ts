import * as z from 'zod';
import { own } from '../config/own.ts';
import { repositoryOf } from './attestation.ts';

const DAY = 86_400_000;

/** At this a history is suspected, like what gives orders to the model. */
const SUSPECTED = 1;

/** What speaks against a version, and how much. No one thing alone does; each of them happens to honest packages. */
const weights = {
  'published within three days': 0.5,
  'the package is younger than a month': 0.5,
  'said to be published in the future': 1,
  'published by somebody who had published none before': 0.5,
  'none of those who maintained the version before does so still': 0.5,
  'the first in more than a year': 0.4,
  'has install scripts, the version before had none': 0.7,
  'names another repository than the version before': 0.5,
  'its build is not attested, the version before was': 0.5,
  'deprecated by its publisher': 0.5,
} as const;

type Reason = keyof typeof weights;

export interface History {
  readonly isSuspected: boolean;
  readonly reasons: readonly string[];
  /** What the registry says, for whoever decides, one line each; also what it does not say. */
  readonly facts: readonly string[];
}

const person = z.union([z.string(), z.object({ name: z.string() }).transform(({ name }) => name)]);
const repository = z.union([z.string(), z.object({ url: z.string() }).transform(({ url }) => url)]);

const version = z.object({
  _npmUser: person.optional().catch(undefined),
  maintainers: z.array(person).optional().catch(undefined),
  repository: repository.optional().catch(undefined),
  scripts: z.record(z.string(), z.unknown()).optional().catch(undefined),
  deprecated: z.union([z.string(), z.boolean()]).optional().catch(undefined),
  dist: z
    .object({ attestations: z.object({}).optional() })
    .optional()
    .catch(undefined),
});

const packument = z.object({
  time: z.record(z.string(), z.string()).optional().catch(undefined),
  versions: z.record(z.string(), version),
});

/**
 * Judges a version by what its registry says of the package: how old both are, who published it, and what became other than in
 * the version before. What the registry does not say is told and weighs nothing.
 * @param hasScripts its tarball has install scripts
 * @param now milliseconds since the epoch
 */
export function historyOf(said: unknown, wanted: string, hasScripts: boolean, now: number): History {
  const { data } = packument.safeParse(said);
  const current = data === undefined ? undefined : own(data.versions, wanted);
  if (data === undefined || current === undefined) return judged([], ['history: the registry does not say']);
  const times = Object.entries(data.time ?? {}).flatMap(([name, text]) => {
    const at = Date.parse(text);
    return own(data.versions, name) === undefined || Number.isNaN(at) ? [] : [{ name, at }];
  });
  const at = times.find(({ name }) => name === wanted)?.at;
  const reasons: Reason[] = [];
  const facts: string[] = [];
  const unsaid: string[] = [];
  const add = (reason: Reason, applies: boolean): void => {
    if (applies) reasons.push(reason);
  };
  add('deprecated by its publisher', Boolean(current.deprecated));
  if (current.deprecated) facts.push(`DEPRECATED: ${current.deprecated}`);
  if (current.maintainers === undefined || current.maintainers.length === 0) unsaid.push('who maintains it');
  else facts.push(`maintainers: ${current.maintainers.join(', ')}`);
  if (at === undefined) return judged(reasons, [...facts, ...tell([...unsaid, 'when it was published'])]);
  const first = Math.min(...times.map((one) => one.at));
  facts.push(`published ${days(now - at)} ago, the first of ${times.length} versions ${days(now - first)} ago`);
  add('said to be published in the future', at > now + DAY);
  add('published within three days', now - at < 3 * DAY);
  add('the package is younger than a month', now - first < 30 * DAY);
  const earlier = times.filter((one) => one.at < at && one.name !== wanted).sort((a, b) => b.at - a.at);
  const [last] = earlier;
  const before = last && own(data.versions, last.name);
  if (last === undefined || before === undefined) return judged(reasons, [...facts, ...tell(unsaid)]);
  add('the first in more than a year', at - last.at > 365 * DAY);
  add('has install scripts, the version before had none', hasScripts && !runsScripts(before.scripts));
  add('its build is not attested, the version before was', isAttested(before) && !isAttested(current));
  const [from, to] = [repositoryOf(before.repository), repositoryOf(current.repository)];
  add('names another repository than the version before', from !== undefined && from !== to);
  const publishers = new Set(earlier.map(({ name }) => own(data.versions, name)?._npmUser));
  const { _npmUser: publisher } = current;
  if (publisher === undefined || [...publishers].every((one) => one === undefined)) unsaid.push('who published it');
  else add('published by somebody who had published none before', !publishers.has(publisher));
  const stayed = before.maintainers?.some((one) => current.maintainers?.includes(one)) ?? true;
  add('none of those who maintained the version before does so still', current.maintainers !== undefined && !stayed);
  return judged(reasons, [...facts, ...tell(unsaid)]);
}

function judged(reasons: readonly Reason[], facts: readonly string[]): History {
  const score = reasons.reduce((sum, reason) => sum + weights[reason], 0);
  return { isSuspected: score >= SUSPECTED, reasons, facts: [...facts, ...reasons.map((one) => `history: ${one}`)] };
}

function tell(unsaid: readonly string[]): readonly string[] {
  return unsaid.map((one) => `history: the registry does not say ${one}`);
}

function days(milliseconds: number): string {
  return `${Math.floor(milliseconds / DAY)} days`;
}

function runsScripts(scripts: Readonly<Record<string, unknown>> = {}): boolean {
  return ['preinstall', 'install', 'postinstall'].some((hook) => own(scripts, hook) !== undefined);
}

function isAttested({ dist }: z.output<typeof version>): boolean {
  return dist?.attestations !== undefined;
}
