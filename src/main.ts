import { join } from 'node:path';
import { type Common, common, options, UsageError } from './cli/options.ts';
import { usage } from './cli/usage.ts';
import type { RuntimeServer, SandboxedServer } from './contract/bundle.ts';
import type { SemgrepRun } from './contract/zone-link.ts';

/** The one file that knows everyone. A command loads only what it needs. */
const io = {
  stdout: (text: string): void => void process.stdout.write(text),
  stderr: (text: string): void => void process.stderr.write(text),
};

/** A person's way to start this program: the launcher of a clone. */
const launcher = join(import.meta.dirname, '../innerkeep');

type Command = (given: Common) => Promise<number>;

const commands: Readonly<Record<string, Command>> = {
  async init({ rest, json, state }) {
    const { init } = await import('./cli/init.ts');
    return init([...rest], { ...io, json, state });
  },
  async add({ rest, json, config, state }) {
    const { add } = await import('./cli/add.ts');
    return add([...rest], { ...io, json }, { config, state, ...(await reviewers(config, state)) });
  },
  async tools({ rest, json, config, state }) {
    const { tools } = await import('./cli/tools.ts');
    return tools([...rest], { ...io, json }, { config, state, ...(await reviewers(config, state)) });
  },
  async up({ rest, json, config, state }) {
    const text = { type: 'string' } as const;
    const { values } = options(rest, { 'self-check': text, workers: { ...text, default: '1' } }, 0);
    if (!/^([1-9]|[1-5]\d|6[0-4])$/.test(values.workers))
      throw new UsageError('--workers N: a whole number from 1 to 64');
    const workers = Number(values.workers);
    const { up } = await import('./cli/up.ts');
    const { startControlZone } = await import('./main/control-zone.ts');
    const start = (stopping: AbortSignal) => startControlZone(config, state, workers, stopping);
    const code = await up(start, values['self-check'], { ...io, json, config, stateDir: state, command: launcher });
    // A download that was under way when it was told to stop would hold it.
    process.exit(code);
  },
  async control({ rest, json, config, state }) {
    const { values } = options(rest, { enrol: { type: 'string' } }, 0);
    if (values.enrol !== undefined) {
      const { enrol } = await import('./main/fleet.ts');
      io.stdout(`${JSON.stringify(await enrol(values.enrol, config, state))}\n`);
      return 0;
    }
    const { up } = await import('./cli/up.ts');
    const { startControl } = await import('./main/control.ts');
    const start = (stopping: AbortSignal) => startControl(config, state, stopping, 'fleet');
    process.exit(await up(start, undefined, { ...io, json, config, stateDir: state, command: launcher }));
  },
  async gateway({ rest, json, state }) {
    const text = { type: 'string' } as const;
    const { values } = options(rest, { listen: text, identity: text, edge: text }, 0);
    const { listen, ...own } = values;
    if (listen === undefined) throw new UsageError('gateway --listen HOST:PORT [--identity FILE] [--edge HOST:PORT]');
    const { zone } = await import('./cli/zone.ts');
    const { runGateway } = await import('./main/fleet.ts');
    process.exit(await zone(() => runGateway(listen, own, state), { ...io, json }));
  },
  async runtime({ rest, json, config, state }) {
    options(rest, {}, 0);
    const { zone } = await import('./cli/zone.ts');
    const { runRuntime } = await import('./main/fleet.ts');
    process.exit(await zone(() => runRuntime(config, state), { ...io, json }));
  },
  async token({ rest, json, state }) {
    const { token } = await import('./cli/token.ts');
    return token([...rest, ...(json ? ['--json'] : [])], { ...io, stateDir: state });
  },
  async approvals({ rest, json, state }) {
    const { approvals } = await import('./cli/approvals.ts');
    return approvals(rest, { ...io, json, stateDir: state });
  },
  async people({ rest, json, state }) {
    const { people } = await import('./cli/people.ts');
    return people(rest, { ...io, json, stateDir: state });
  },
  async connect({ rest, state }) {
    const { connectCommand } = await import('./cli/connect-command.ts');
    return connectCommand(rest, { ...io, stateDir: state, stdin: process.stdin });
  },
  async policy({ rest, json, config, state }) {
    if (rest[0] === 'push') {
      const { push } = await import('./cli/push.ts');
      return push(rest.slice(1), { ...io, json, stateDir: state });
    }
    if (rest[0] === 'history') {
      const { history } = await import('./cli/history.ts');
      return history(rest.slice(1), { ...io, json, stateDir: state });
    }
    const { policy } = await import('./cli/policy.ts');
    const { policyInputs } = await import('./main/policy-inputs.ts');
    return policy([...rest], { ...io, json }, () => policyInputs(config, state));
  },
  async audit({ rest, json, state }) {
    const { audit } = await import('./cli/audit.ts');
    return audit(rest, { ...io, json, stateDir: state });
  },
  async secrets({ rest, json, state }) {
    const { secrets } = await import('./cli/secrets.ts');
    const { hiddenLine } = await import('./cli/hidden-line.ts');
    const ask = (question: string) => hiddenLine(question, process.stdin, process.stderr);
    const code = await secrets(rest, { ...io, json, stateDir: state, ask });
    // A terminal that was read from would hold it.
    process.stdin.pause();
    return code;
  },
  async stop({ rest, json, state }) {
    const { stop } = await import('./cli/stop.ts');
    return stop('stop', rest, { ...io, json, stateDir: state });
  },
  async resume({ rest, json, state }) {
    const { stop } = await import('./cli/stop.ts');
    return stop('resume', rest, { ...io, json, stateDir: state });
  },
  async budget({ rest, json, state }) {
    const { budget } = await import('./cli/budget.ts');
    return budget(rest, { ...io, json, stateDir: state });
  },
  async score({ rest, json }) {
    const { score } = await import('./cli/score.ts');
    const { detectors } = await import('./main/detectors.ts');
    return score(rest, detectors, { ...io, json });
  },
  async scan({ rest, json, config, state }) {
    const { scan } = await import('./cli/scan.ts');
    const { default: packageJson } = await import('../package.json', { with: { type: 'json' } });
    const { semgrep } = await import('./main/runtime-client.ts');
    const deps = { config, state, version: packageJson.version, semgrep: (run: SemgrepRun) => semgrep(run, state) };
    return scan(rest, { ...io, json }, deps);
  },
  async doctor({ rest, json, config, state }) {
    options(rest, {}, 0);
    const { configuredDrivers, doctor } = await import('./cli/doctor.ts');
    const { probeSandboxes } = await import('./main/runtime-client.ts');
    return doctor(await configuredDrivers(config, state), probeSandboxes, { ...io, json });
  },
};

/** What the control plane needs of the other zones to review a server, loaded when it is used. */
async function reviewers(config: string, state: string) {
  const { unservable: inspect } = await import('./main/unservable.ts');
  return {
    inspect,
    async describe(server: RuntimeServer, client?: string) {
      if (server.kind !== 'remote') return (await import('./main/runtime-client.ts')).describe(server, config, state);
      const { describeRemote } = await import('./main/personal-upstream.ts');
      return describeRemote(server, client, config, io.stderr);
    },
    async semgrep(run: SemgrepRun) {
      return (await import('./main/runtime-client.ts')).semgrep(run, state);
    },
    async bundle(server: SandboxedServer) {
      return (await import('./main/runtime-client.ts')).bundle(server, state);
    },
  };
}

async function main([name = '--help', ...argv]: readonly string[]): Promise<number | undefined> {
  if (name === 'zone-control' || name === 'zone-gateway' || name === 'zone-runtime') {
    if (name === 'zone-control') (await import('./main/control-zone.ts')).controlZone();
    else if (name === 'zone-gateway') (await import('./main/gateway-process.ts')).gatewayZone();
    else (await import('./main/runtime-zone.ts')).runtimeZone();
    return undefined;
  }
  if (name === '--version') {
    const { default: packageJson } = await import('../package.json', { with: { type: 'json' } });
    io.stdout(`${packageJson.version}\n`);
    return 0;
  }
  if (name === '--help' || name === '-h' || name === 'help') {
    io.stdout(usage());
    return 0;
  }
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) throw new UsageError(`no command ${JSON.stringify(name)}; innerkeep --help lists them`);
  const given = common(argv);
  if (given.help) {
    io.stdout(usage(name));
    return 0;
  }
  return command(given);
}

/** 1 a check that did not hold, 2 wrong usage or configuration, 3 refused for safety. */
function exitOf(error: unknown): number {
  if (error instanceof UsageError || fileFault(error) !== undefined) return 2;
  if (error instanceof Error && 'exitCode' in error && typeof error.exitCode === 'number') return error.exitCode;
  return 1;
}

/** A file or directory that is not as a command needs it, in our words. */
function fileFault(error: unknown): string | undefined {
  if (!(error instanceof Error && 'syscall' in error && 'path' in error && 'code' in error)) return undefined;
  return `${error.path}: ${error.syscall} failed (${error.code}); see who owns it, its mode, and what is on its way`;
}

// `innerkeep tools ls | head`: whoever has read enough is no fault of ours.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});
// `up` and the zones have their own; any other command ends in order too: what it started ends with its channels.
if (
  !['up', 'control', 'gateway', 'runtime', 'zone-control', 'zone-gateway', 'zone-runtime'].includes(
    process.argv[2] ?? '',
  )
)
  for (const [signal, number] of Object.entries({ SIGINT: 2, SIGTERM: 15, SIGHUP: 1 }))
    process.once(signal, () => process.exit(128 + number));

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const code = exitOf(error);
  // What is not one of our own errors is a fault of ours: then the stack is of use.
  const known = code !== 1 || (error instanceof Error && error.constructor !== Error);
  const message =
    known && error instanceof Error ? error.message : String(error instanceof Error ? error.stack : error);
  io.stderr(`innerkeep: ${fileFault(error) ?? message}\n`);
  process.exitCode = code;
}
