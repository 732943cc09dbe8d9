import type { SandboxDriverName } from '../../../src/contract/bundle.ts';
import type { Sandbox, SandboxExit, SandboxProbe, SandboxProfile } from '../../../src/contract/sandbox-driver.ts';
import { checkMounts } from '../../../src/drivers/sandbox-driver/host/check-mounts.ts';
import { sandboxDrivers } from '../../../src/main/sandbox-drivers.ts';

/** A process that holds the driver, as the runtime zone does: `hosted.ts` starts it and talks to it over IPC. */
export type Order =
  | {
      readonly kind: 'run';
      readonly id: number;
      readonly profile: SandboxProfile;
      readonly stdin: string;
      readonly until: string | undefined;
    }
  /** Kills the sandbox of an earlier `run`. */
  | { readonly kind: 'kill'; readonly id: number; readonly run: number }
  | { readonly kind: 'check'; readonly id: number; readonly profile: SandboxProfile }
  | { readonly kind: 'probe'; readonly id: number }
  | { readonly kind: 'memory'; readonly id: number };

export interface Ran {
  readonly exit: SandboxExit;
  readonly stdout: string;
  readonly stderr: string;
}

export type Answer =
  | { readonly id: number; readonly value: Ran | SandboxProbe | number | undefined }
  | { readonly id: number; readonly error: string }
  /** The output that a `run` was to wait for has come; its sandbox lives on. */
  | { readonly id: number; readonly seen: string };

const [name = '', node = '', forbidden = ''] = process.argv.slice(2);
const make = sandboxDrivers[name as SandboxDriverName];
if (make === undefined) throw new Error(`no driver ${name}`);
const driver = make({ node, forbidden: forbidden === '' ? [] : [forbidden] });
const say = (answer: Answer): void => void process.send?.(answer);

const running = new Map<number, Sandbox>();

async function run(order: Order & { kind: 'run' }): Promise<Ran> {
  const sandbox = await driver.start(order.profile);
  running.set(order.id, sandbox);
  sandbox.stdin.write(order.stdin);
  if (order.until === undefined) sandbox.stdin.end();
  let stdout = '';
  let seen = false;
  for await (const chunk of sandbox.stdout) {
    stdout += Buffer.from(chunk).toString('utf8');
    if (order.until !== undefined && !seen && stdout.includes(order.until)) {
      seen = true;
      say({ id: order.id, seen: stdout });
    }
  }
  const exit = await sandbox.exited;
  return { exit, stdout, stderr: sandbox.stderrTail() };
}

async function obey(order: Order): Promise<Ran | SandboxProbe | number | undefined> {
  switch (order.kind) {
    case 'run':
      return run(order);
    case 'kill':
      await running.get(order.run)?.kill();
      return undefined;
    case 'check':
      await checkMounts(driver, order.profile);
      return undefined;
    case 'probe':
      return driver.probe();
    case 'memory':
      return process.memoryUsage().rss;
  }
}

process.on('message', (order: Order) => {
  obey(order).then(
    (value) => say({ id: order.id, value }),
    (error: unknown) => say({ id: order.id, error: String(error) }),
  );
});
process.once('disconnect', () => process.exit(0));
