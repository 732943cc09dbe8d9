import { readFileSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { connectAdmin } from './admin-client.ts';
import { bridge } from './connect/bridge.ts';
import { lineOutput } from './connect/lines.ts';
import { Prover } from './connect/prover.ts';
import { options, UsageError } from './options.ts';

interface Io {
  readonly stateDir: string;
  readonly stdin: Readable;
  stderr(text: string): void;
}

/** Seconds that a token lives, and how long before its end it is replaced. */
const TTL = 600;
const MARGIN = 60;

/** `connect`: asks the running `up` for a token as it is needed, and relays standard input and output. */
export async function connectCommand(argv: readonly string[], io: Io): Promise<number> {
  const { values } = options(
    argv,
    {
      subject: { type: 'string' },
      tenant: { type: 'string' },
      group: { type: 'string', multiple: true, default: [] },
      server: { type: 'string' },
    },
    0,
  );
  const { subject, tenant, group: groups, server } = values;
  if (subject === undefined || tenant === undefined) throw new UsageError('connect needs --subject and --tenant');
  const { presence } = connectAdmin(io.stateDir);
  const url = server === undefined ? presence.mcp : `${presence.mcp}/${server}`;
  const prover = await Prover.make();
  let held = { token: '', until: 0 };
  const token = async (): Promise<string> => {
    if (Date.now() >= held.until) {
      const wish = { subject, tenant, groups, audience: url, ttlSeconds: TTL, dpopJkt: prover.thumbprint };
      // Found anew each time: an `up` that was started again has another secret.
      const minted = (await connectAdmin(io.stateDir).call('POST', '/admin/token', wish)) as { token: string };
      held = { token: minted.token, until: Date.now() + (TTL - MARGIN) * 1000 };
    }
    return held.token;
  };
  // Who may not have a token is told at once, not message by message.
  await token();
  const ca = readFileSync(presence.ca, 'utf8');
  const complain = (text: string): void => io.stderr(`innerkeep connect: ${text}\n`);
  const output = lineOutput(process.stdout);
  // Whoever does not read any more will not end our input either.
  output.closed.addEventListener('abort', () => io.stdin.destroy());
  await bridge(io.stdin, output, complain, { url, ca, token, prover });
  return 0;
}
