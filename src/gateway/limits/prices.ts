import { Environment } from '@marcbachmann/cel-js';
import type { Json } from '../../contract/json.ts';
import type { ToolCost } from '../../contract/limits.ts';

/** What one tool costs, in whole micro-dollars; undefined: it cannot be told. */
export interface Price {
  readonly cost: ToolCost;
  before(args: Json | undefined): number | undefined;
  /** @param result raw JSON */
  after(args: Json | undefined, result: string): number | undefined;
}

/** @throws Error for an expression that is none; the configuration has been asked before */
export function priceOf(cost: ToolCost): Price {
  const environment = new Environment({ limits: { maxAstNodes: 200, maxDepth: 16 } });
  environment.registerVariable('args', 'dyn').registerVariable('result', 'dyn');
  const { price, actual, max } = cost;
  const before = typeof price === 'string' ? environment.parse(price) : undefined;
  const after = actual === undefined ? undefined : environment.parse(actual);
  return {
    cost,
    before(args) {
      if (before !== undefined) return told(() => before({ args: args ?? null }));
      return typeof price === 'number' ? price : actual === undefined ? undefined : max;
    },
    after: (args, result) => after && told(() => after({ args: args ?? null, result: JSON.parse(result) })),
  };
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
