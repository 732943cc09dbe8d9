import { readFileSync } from 'node:fs';
import { nodeVersion } from './doctor.ts';
import { UsageError } from './options.ts';
import { type SelfCheck, selfCheck } from './self-check.ts';

export interface Ready {
  readonly event: 'ready';
  readonly mcp: string;
  readonly issuer: string;
  readonly admin: string;
  readonly ca: string;
}

export interface Running {
  readonly ready: Ready;
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

/**
 * Runs all zones until it is told to stop (SIGINT, SIGTERM, SIGHUP; also while they start) or a zone ends by itself.
 * @returns 0 when it was told to; 1 when a zone ended or the self-check did not pass
 */
export async function up(
  start: (stopping: AbortSignal) => Promise<Running>,
  checkFile: string | undefined,
  io: Io,
): Promise<number> {
  const check = checkFile === undefined ? undefined : readCheck(checkFile);
  const { verdict, evidence, mend } = nodeVersion(process.versions.node);
  if (verdict !== 'good') io.stderr(`innerkeep: warning: node ${evidence}; ${mend}\n`);
  const stopping = new AbortController();
  const told = new Promise<undefined>((resolve) => {
    stopping.signal.addEventListener('abort', () => resolve(undefined));
  });
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stopping.abort());
  let running: Running;
  try {
    running = await start(stopping.signal);
  } catch (error) {
    if (stopping.signal.aborted) return 0;
    throw error;
  }
  try {
    io.stdout(io.json ? `${JSON.stringify(running.ready)}\n` : greeting(running.ready, io));
    const passed = check === undefined || (await Promise.race([told, examine(check, running, io)]));
    const reason = passed === false ? 'the self-check did not pass' : await Promise.race([told, running.failed]);
    if (reason !== undefined) io.stderr(`innerkeep: ${reason}\n`);
    return reason === undefined ? 0 : 1;
  } finally {
    await running.stop();
  }
}

function readCheck(file: string): SelfCheck {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as SelfCheck;
  } catch (error) {
    throw new UsageError(`--self-check ${file}: ${error instanceof Error ? error.message : error}`);
  }
}

async function examine(check: SelfCheck, { ready }: Running, io: Io): Promise<boolean> {
  const { passed, text } = await selfCheck(check, ready, io.stateDir);
  io.stdout(io.json ? `${JSON.stringify({ event: 'self-check', passed, text })}\n` : `self-check: ${text}\n`);
  return passed;
}

function greeting({ mcp, admin, ca, issuer }: Running['ready'], { command, config }: Io): string {
  const who = ['--subject', 'alice', '--tenant', 'acme'];
  const snippet = { mcpServers: { innerkeep: { command, args: ['connect', '-c', config, ...who] } } };
  const lines = [
    'innerkeep is up.',
    '',
    `  MCP      ${mcp}`,
    `  CA       ${ca}`,
    `  admin    ${admin}  (/healthz, /readyz, /metrics; the console is not there yet)`,
  ];
  // Where the embedded issuer is not accepted, neither `token` nor `connect` can get one.
  if (issuer !== new URL(mcp).origin) return [...lines, `  token    from ${issuer}`, '', ''].join('\n');
  return [
    ...lines,
    `  token    ${command} token ${who.join(' ')} -c ${config}`,
    '',
    'A client that starts a command connects with this in its mcp.json:',
    '',
    JSON.stringify(snippet, null, 2),
    '',
    '',
  ].join('\n');
}
