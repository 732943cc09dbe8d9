import { Environment } from '@marcbachmann/cel-js';
import { isObject, type Json } from '../../contract/json.ts';
import type { ToolCost } from '../../contract/limits.ts';

/** What one tool costs, in whole micro-dollars; undefined: it cannot be told. */
export interface Price {
  readonly cost: ToolCost;
  /** @param quote raw JSON of what the dry run was answered, where there is one */
  before(args: Json | undefined, quote: string | undefined): number | undefined;
  /** @param result raw JSON */
  after(args: Json | undefined, result: string): number | undefined;
}

/** @throws Error for an expression that is none; the configuration has been asked before */
export function priceOf(cost: ToolCost): Price {
  const environment = new Environment({ limits: { maxAstNodes: 200, maxDepth: 16 } });
  environment.registerVariable('args', 'dyn').registerVariable('result', 'dyn');
  const { price, actual, dryRun, max } = cost;
  const before = typeof price === 'string' ? environment.parse(price) : undefined;
  const quoted = dryRun === undefined ? undefined : environment.parse(dryRun.usd);
  const after = actual === undefined ? undefined : environment.parse(actual);
  return {
    cost,
    before(args, quote) {
      if (quoted !== undefined)
        return quote === undefined ? max : told(() => quoted({ args: args ?? null, result: sound(quote) }));
      if (before !== undefined) return told(() => before({ args: args ?? null }));
      return typeof price === 'number' ? price : actual === undefined ? undefined : max;
    },
    after: (args, result) => after && told(() => after({ args: args ?? null, result: JSON.parse(result) })),
  };
}

/** The result of a dry run. @throws Error for one that says that it failed */
function sound(raw: string): Json {
  const result: Json = JSON.parse(raw);
  if (isObject(result) && result.isError !== true) return result;
  throw new Error('the dry run failed');
}

/** Dollars as an expression gives them, rounded up; a price that is none is not told. */
function told(evaluate: () => unknown): number | undefined {
  try {
    const usd = evaluate();
    const micro =
      typeof usd === 'bigint' || typeof usd === 'number' ? Math.ceil(Number((Number(usd) * 1e6).toFixed(3))) : -1;
    return micro >= 0 && micro <= MOST ? micro : undefined;
  } catch {
    return undefined;
  }
}

/** Micro-dollars of one call: a million dollars, as in the configuration. */
const MOST = 1e12;
