import { hash } from 'node:crypto';
import type { PinnedServer } from '../contract/descriptors.ts';
import { type Said, saidOf } from '../contract/said.ts';

/** Parts of each kind that an alert names; the rest is counted. */
const MAX_NAMED = 20;

/** All that was reviewed of one server, to be compared with what it says while it runs. */
export interface AsReviewed {
  readonly said: Said;
  /** As UpstreamCall has it. */
  readonly digest: string;
  readonly reviews: number | undefined;
}

export function asReviewed({ instructions, reviews, ...lists }: PinnedServer): AsReviewed {
  const said = saidOf(instructions === undefined ? undefined : digestOf(instructions), lists);
  return { said, digest: digestOf(JSON.stringify(said)), reviews };
}

/** For the operator, in the server's own words. */
export function difference({ said: reviewed }: AsReviewed, now: Said): string {
  const here = new Set(now);
  const known = new Set(reviewed);
  const found = [
    named(
      'not reviewed',
      now.filter((line) => !known.has(line)),
    ),
    named(
      'reviewed, and not there',
      reviewed.filter((line) => !here.has(line)),
    ),
  ];
  return `says something else than was reviewed: ${found.filter((one) => one !== '').join('; ')}`;
}

function named(what: string, lines: readonly string[]): string {
  if (lines.length === 0) return '';
  const more = lines.length > MAX_NAMED ? ` and ${lines.length - MAX_NAMED} more` : '';
  return `${what}: ${lines.slice(0, MAX_NAMED).join(', ')}${more}`;
}

function digestOf(text: string): string {
  return `sha256-${hash('sha256', text, 'base64')}`;
}
