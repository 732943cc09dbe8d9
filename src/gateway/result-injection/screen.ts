import { createHash } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
import { Refusal } from '../../contract/refusal.ts';
import { type Executed, Screened, type Suspected } from '../../contract/tool-call.ts';
import { SUSPECTED, suspicion } from '../../contract/untrusted-text/score.ts';
import { marked } from './marked.ts';

export interface ScreenDeps {
  /** What is done with a suspected result of that server. */
  readonly action: (server: string) => ResultAction;
  /** SHA-256 of results, `sha256-BASE64`, that the operator has read and lets through. */
  readonly approved: (server: string) => readonly string[];
}

/** `mark`: delimited and labelled as untrusted data; `quarantine`: kept back until approved; `record`: only on record. */
export type ResultAction = 'mark' | 'quarantine' | 'record';

/** UTF-16 units that are scored at a time: between two pieces, other calls go on. */
const PIECE = 65_536;
/** What neighbours share, so that what belongs together is in one of them as a whole. */
const SHARED = 4_096;

/** UTF-16 units of a quarantined result that its record shows. */
const EXCERPT = 2000;

/**
 * The stage that looks whether what a server answers gives orders to the model (OWASP LLM01:2025). What it finds is a
 * label of the call from here on.
 * @throws Refusal `approval`
 */
export function screenStage({ action, approved }: ScreenDeps): (call: Executed) => Promise<Screened> {
  return async (call) => {
    const { result, arrived, target } = call;
    const suspected = await suspectedOf(result);
    const what = suspected === undefined ? 'record' : action(target.server);
    if (suspected !== undefined && what === 'quarantine') demandApproval(call, suspected, approved(target.server));
    const isShown = suspected === undefined || what === 'record';
    const delimit = isShown ? undefined : (shown: string) => marked(shown, suspected, arrived.incident);
    return new Screened(call, suspected, delimit);
  };
}

/** How much a text gives orders to the model; undefined: it is not suspected. */
export async function suspectedOf(result: string): Promise<Suspected | undefined> {
  let { score, reasons } = suspicion(result.slice(0, PIECE), 'result');
  for (let at = PIECE - SHARED; at + SHARED < result.length; at += PIECE - SHARED) {
    await setImmediate();
    const next = suspicion(result.slice(at, at + PIECE), 'result');
    if (next.score > score) ({ score, reasons } = next);
  }
  return score < SUSPECTED ? undefined : { score: Math.round(score * 100) / 100, reasons };
}

function demandApproval(
  { result, target }: Executed,
  { score, reasons }: Suspected,
  approved: readonly string[],
): void {
  const digest = `sha256-${createHash('sha256').update(result).digest('base64')}`;
  if (approved.includes(digest)) return;
  const why = `suspected (${score}: ${reasons.join(', ')})`;
  throw new Refusal('approval', `${target.server}: ${why}: result ${digest}: ${result.slice(0, EXCERPT)}`);
}
