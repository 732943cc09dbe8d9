import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gone } from '../../support/processes.ts';
import { home } from '../../support/tree.ts';
import type { Json } from './scripted-edge.ts';

/** The inspector's `mcpdo` keeps a connection in a daemon: a call that asks is parked, and answered by a later command. */
export class Mcpdo {
  readonly #ca: string;
  readonly #home = mkdtempSync(join(tmpdir(), 'ik-mcpdo-'));

  /** @param ca a PEM file */
  constructor(ca: string) {
    this.#ca = ca;
  }

  /** One command; gives what it printed as JSON, where it did. */
  async run(...argv: readonly string[]): Promise<Json> {
    const own = { HOME: this.#home, MCP_INSPECTOR_SECRET_STORE: 'memory', NODE_EXTRA_CA_CERTS: this.#ca };
    const command = [join(home, 'node_modules/.bin/mcpdo'), '--format', 'json', ...argv];
    const env = { PATH: process.env.PATH, ...own };
    const child = spawn(process.execPath, command, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const said = { stdout: '', stderr: '' };
    child.stdout.on('data', (chunk) => (said.stdout += chunk));
    child.stderr.on('data', (chunk) => (said.stderr += chunk));
    const code = await new Promise((resolve) => child.once('close', resolve));
    assert.equal(code, 0, `${argv.join(' ')}: ${said.stderr}${said.stdout}`);
    return said.stdout.startsWith('{') ? JSON.parse(said.stdout) : undefined;
  }

  /** Calls `deploy` of a server, and answers its form. */
  async deploys(connection: string, server: string, answer: readonly string[]): Promise<string> {
    const asked = await this.run(`@${connection}`, 'tools/call', `${server}__deploy`, 'to:=production');
    const { elicitationId, message, requestedSchema } = asked.elicitationPending;
    assert.equal(message, 'Deploy to production?');
    assert.deepEqual(requestedSchema.required, ['approve']);
    return JSON.stringify(await this.run(`@${connection}`, 'elicitation/respond', elicitationId, ...answer));
  }

  async stop(): Promise<void> {
    const { pid } = await this.run('daemon', 'status');
    await this.run('daemon', 'stop');
    await gone([pid]);
    rmSync(this.#home, { recursive: true, force: true });
  }
}
