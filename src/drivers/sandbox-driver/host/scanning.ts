import type { SandboxDriver } from '../../../contract/sandbox-driver.ts';
import type { SemgrepRun } from '../../../contract/zone-link.ts';
import { output } from './output.ts';

const MIB = 1 << 20;
/** Bytes of what it says of a whole tree. */
const most = 64 * MIB;
/** Milliseconds for a whole tree. */
const patience = 600_000;

const [program, rules] = ['/opt/innerkeep/semgrep', '/opt/innerkeep/rules'];

/**
 * It does not start without an authority to trust, though there is nobody to be connected with: it is given one without a key.
 * Five seconds for a rule in a file, and the file is left when one takes longer; its own bound of memory is below
 * the sandbox's.
 */
const start = `cat >/tmp/targets && SSL_CERT_FILE=${rules}/anchor.pem exec ${program}/semgrep-core -rules ${rules}/rules.yaml -targets /tmp/targets -json_nodots -j 1 \
-disable_rule_paths -timeout 5 -timeout_threshold 1 -max_memory 1536 -max_match_per_file 1000`;

/**
 * Runs semgrep's engine in a sandbox: what it reads is a stranger's, and it is a large program. No network, nothing of the host
 * but itself, the rules and the files.
 * @returns its JSON
 * @throws when it fails, says too much or takes too long
 */
export function semgrep(driver: SandboxDriver, run: SemgrepRun): Promise<string> {
  const profile = {
    name: 'semgrep',
    command: ['sh', '-c', start],
    root: run.root,
    mounts: [
      { from: run.program, to: program, mode: 'ro' },
      { from: run.rules, to: rules, mode: 'ro' },
    ],
    memory: 2048 * MIB,
    pids: 64,
  } as const;
  return output(driver, profile, most, patience, run.targets);
}
