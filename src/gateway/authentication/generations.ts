/** A bounded map. */
export interface Generations<Value> {
  get(key: string): Value | undefined;
  put(key: string, value: Value): void;
  clear(): void;
}

/**
 * Holds at most `bound` values in two generations: what is used moves to the young one, and when that is full, the
 * old one is dropped. That is nearly least-recently-used, for the price of a map look-up.
 */
export function generations<Value>(bound: number): Generations<Value> {
  let young = new Map<string, Value>();
  let old = new Map<string, Value>();
  const put = (key: string, value: Value): void => {
    if (young.size >= bound / 2) {
      old = young;
      young = new Map();
    }
    young.set(key, value);
  };
  return {
    get(key) {
      const recent = young.get(key);
      if (recent !== undefined) return recent;
      const aged = old.get(key);
      if (aged !== undefined) put(key, aged);
      return aged;
    },
    put,
    clear() {
      young = new Map();
      old = new Map();
    },
  };
}
