import { readFileSync } from 'node:fs';
import { connectAdmin } from './admin-client.ts';
import { bridge } from './connect/bridge.ts';
import { Prover } from './connect/prover.ts';

/** One call that has to work, and one that has to be refused. */
export interface SelfCheck {
  readonly subject: string;
  readonly tenant: string;
  readonly tool: string;
  readonly arguments: unknown;
  /** What the answer has to contain. */
  readonly expect: string;
  /** Arguments that the policy forbids. */
  readonly refused: unknown;
}

export interface SelfCheckResult {
  readonly passed: boolean;
  readonly text: string;
}

/** Two real calls, as a client makes them: over TLS, with a token that is bound to its key, through the whole pipeline. */
export async function selfCheck(
  check: SelfCheck,
  ready: { readonly mcp: string; readonly ca: string },
  stateDir: string,
): Promise<SelfCheckResult> {
  const { subject, tenant, tool } = check;
  const admin = connectAdmin(stateDir);
  const prover = await Prover.make();
  const wish = { subject, tenant, ttlSeconds: 60, dpopJkt: prover.thumbprint };
  const minted = (await admin.call('POST', '/admin/token', wish)) as { token: string };
  const call = (id: number, args: unknown): string =>
    `${JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: tool, arguments: args } })}\n`;
  const answers = new Map<number, string>();
  const complaints: string[] = [];
  const started = performance.now();
  const write = async (line: string): Promise<void> => {
    answers.set((JSON.parse(line) as { id: number }).id, line);
  };
  await bridge(
    feed(call(1, check.arguments), call(2, check.refused)),
    { write, closed: new AbortController().signal },
    (text) => complaints.push(text),
    { url: ready.mcp, ca: readFileSync(ready.ca, 'utf8'), token: async () => minted.token, prover },
  );
  const ms = Math.round(performance.now() - started);
  const [good = '', bad = ''] = [answers.get(1), answers.get(2)];
  if (!good.includes(check.expect))
    return { passed: false, text: `FAILED: ${tool} answered ${good || complaints.join('; ')}` };
  if (!bad.includes('"reason":"policy"'))
    return { passed: false, text: `FAILED: what the policy forbids was answered: ${bad}` };
  const text = `passed: ${tool} answered in a sandbox of its own for ${subject} of ${tenant}, and was refused what the policy forbids (${ms} ms for both)`;
  return { passed: true, text };
}

async function* feed(...lines: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const line of lines) yield Buffer.from(line);
}
