import type { IncomingMessage } from 'node:http';
import type { Answer } from '../../contract/answer.ts';
import type { EdgeSettings } from '../../contract/bundle.ts';
import { Refusal, refusalRow } from '../../contract/refusal.ts';
import type { IssuerAnswer, IssuerRequest } from '../../contract/zone-link.ts';
import { type BodyBudget, readBody } from './body.ts';
import { checkHost } from './guard.ts';
import { flatHeaders } from './headers.ts';
import { BUSY, NOT_FOUND, problem } from './public.ts';

const MAX_BODY = 64 * 1024;
/** Requests that zone 0 is asked at a time: strangers must not be able to keep it from its own work. */
const AT_ONCE = 16;
/** Framing is the edge's; and nobody tells the issuer what name or scheme it was called by. */
const OURS =
  /^(?:connection|keep-alive|transfer-encoding|te|trailer|upgrade|proxy-.*|forwarded|x-forwarded-.*|content-length|date)$/;

export interface IssuerDeps {
  readonly settings: () => EdgeSettings;
  readonly issuer?: (request: IssuerRequest) => Promise<IssuerAnswer>;
  readonly timeout: number;
  readonly budget: BodyBudget;
}

/** The embedded issuer's public endpoints, under bounds of their own. */
export function issuerRoom(deps: IssuerDeps): (request: IncomingMessage, url: string) => Promise<Answer> {
  let asked = 0;
  return async (request, url) => {
    const { issuer, timeout, budget } = deps;
    if (issuer === undefined) return NOT_FOUND;
    try {
      const headers = flatHeaders(request);
      checkHost(headers, deps.settings());
      const body = Buffer.from(await readBody(request, { max: MAX_BODY, timeout, budget })).toString('utf8');
      // Only now: who sends slowly must not hold a place.
      if (asked >= AT_ONCE) return BUSY;
      asked++;
      const answer = await within(timeout, issuer({ method: request.method ?? '', url, headers: own(headers), body }));
      return answer === undefined ? BUSY : { ...answer, headers: own(answer.headers) };
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { http, text } = refusalRow(error.code);
      return problem(http, text.toLowerCase());
    }
  };

  /** Undefined when time is up; the place is free again then, whatever has become of the asked one. */
  async function within<T>(ms: number, answer: Promise<T>): Promise<T | undefined> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<undefined>((resolve) => {
      timer = setTimeout(() => resolve(undefined), ms);
    });
    try {
      return await Promise.race([answer, late]);
    } finally {
      clearTimeout(timer);
      asked--;
    }
  }
}

function own<Value>(headers: Readonly<Record<string, Value | undefined>>): Record<string, Value> {
  const kept: Record<string, Value> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined && !OURS.test(name.toLowerCase())) kept[name] = value;
  }
  return kept;
}
