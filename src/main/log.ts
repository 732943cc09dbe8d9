/** The zones' operational log: one JSON object a line on standard error. What happened in a call is the audit's matter. */
export function log(event: object): void {
  process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), ...event })}\n`);
}
