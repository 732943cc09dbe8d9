import type { SandboxDriver, SandboxProfile } from '../../../contract/sandbox-driver.ts';

/**
 * What a program that ends by itself prints, in UTF-8.
 * @param input what it is given on its standard input
 * @param most bytes of it
 * @param patience milliseconds, then it is killed
 * @throws when it prints more, fails or is killed
 */
export async function output(
  driver: SandboxDriver,
  profile: SandboxProfile,
  most: number,
  patience: number,
  input?: string,
): Promise<string> {
  const sandbox = await driver.start(profile);
  const timer = setTimeout(() => void sandbox.kill(), patience);
  try {
    if (input !== undefined) {
      sandbox.stdin.write(input);
      sandbox.stdin.end();
    }
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    for await (const chunk of sandbox.stdout) {
      bytes += chunk.length;
      if (bytes > most) throw new Error(`more than ${most} bytes of output`);
      chunks.push(chunk);
    }
    const { code, signal } = await sandbox.exited;
    if (code !== 0) throw new Error(`it ended with ${signal ?? code}: ${sandbox.stderrTail().trim().slice(0, 200)}`);
    return Buffer.concat(chunks).toString('utf8');
  } finally {
    clearTimeout(timer);
    await sandbox.kill();
  }
}
