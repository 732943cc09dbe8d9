/** What is there now, or comes later. */
export type Soon<T> = T | Promise<T>;

/** Goes on at once with what is there, so that nothing else can happen in between. */
export function when<T, U>(value: Soon<T>, then: (value: T) => Soon<U>): Soon<U> {
  return value instanceof Promise ? value.then(then) : then(value);
}

/** Those of which the test says yes, in their order; all are asked at once. */
export async function those<T>(all: readonly T[], test: (one: T) => Soon<boolean>): Promise<readonly T[]> {
  const answers = await Promise.all(all.map(test));
  return all.filter((_, index) => answers[index]);
}
