import { readFileSync } from 'node:fs';
import { type SelfCheck, selfCheck } from './self-check.ts';

export interface Running {
  readonly ready: {
    readonly event: 'ready';
    readonly mcp: string;
    readonly issuer: string;
    readonly admin: string;
    readonly ca: string;
  };
  readonly failed: Promise<string>;
  stop(): Promise<void>;
}

interface Io {
  readonly json: boolean;
  readonly config: string;
  readonly stateDir: string;
  /** How a person starts this program in this place. */
  readonly command: string;
  stdout(text: string): void;
  stderr(text: string): void;
}

/** Runs all zones until it is told to stop (SIGINT, SIGTERM) or a zone ends by itself. */
export async function up(start: () => Promise<Running>, checkFile: string | undefined, io: Io): Promise<number> {
  const check = checkFile === undefined ? undefined : (JSON.parse(readFileSync(checkFile, 'utf8')) as SelfCheck);
  const told = new Promise<string>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve(signal));
  });
  const running = await start();
  io.stdout(io.json ? `${JSON.stringify(running.ready)}\n` : greeting(running.ready, io));
  let good = true;
  if (check !== undefined) {
    const result = await selfCheck(check, running.ready, io.stateDir);
    good = result.passed;
    io.stdout(io.json ? `${JSON.stringify({ event: 'self-check', ...result })}\n` : `self-check: ${result.text}\n`);
  }
  const reason = good ? await Promise.race([told, running.failed]) : 'the self-check did not pass';
  await running.stop();
  const asked = reason.startsWith('SIG');
  if (!asked) io.stderr(`innerkeep: ${reason}\n`);
  return asked ? 0 : 1;
}

function greeting({ mcp, admin, ca }: Running['ready'], { command, config }: Io): string {
  const who = ['--subject', 'alice', '--tenant', 'acme'];
  const snippet = { mcpServers: { innerkeep: { command, args: ['connect', '-c', config, ...who] } } };
  return [
    'innerkeep is up.',
    '',
    `  MCP      ${mcp}`,
    `  CA       ${ca}`,
    `  admin    ${admin}  (/healthz, /readyz, /metrics; the console is not there yet)`,
    `  token    ${command} token ${who.join(' ')} -c ${config}`,
    '',
    'A client that starts a command connects with this in its mcp.json:',
    '',
    JSON.stringify(snippet, null, 2),
    '',
    '',
  ].join('\n');
}
