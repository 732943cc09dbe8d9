import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KNOWN_PACKAGES } from '../../src/control-plane/packages/known-packages.ts';
import { lookalike } from '../../src/control-plane/packages/name-distance.ts';

for (const [name, meant] of [
  ['@modelcontextprotoco1/server-filesystem', '@modelcontextprotocol/server-filesystem'],
  ['@modelcontextprotocols/server-github', '@modelcontextprotocol/server-github'],
  ['@modeIcontextprotocol/sdk', '@modelcontextprotocol/sdk'],
  ['@modelсontextprotocol/sdk', '@modelcontextprotocol/sdk'],
  ['@rnodelcontextprotocol/sdk', '@modelcontextprotocol/sdk'],
  ['modelcontextprotocol-server-filesystem', '@modelcontextprotocol/server-filesystem'],
  ['server-filesystem', '@modelcontextprotocol/server-filesystem'],
  ['server-filesystm', '@modelcontextprotocol/server-filesystem'],
  ['@someone/server-filesystem', '@modelcontextprotocol/server-filesystem'],
  ['@playwrlght/mcp', '@playwright/mcp'],
  ['mcp_remote', 'mcp-remote'],
  ['mcpremote', 'mcp-remote'],
  ['mcp-rernote', 'mcp-remote'],
  ['expres', 'express'],
  ['lodahs', 'lodash'],
] as const)
  test(`refuses ${name}, which looks like ${meant}`, () => assert.equal(lookalike(name)?.meant, meant));

for (const name of [
  ...KNOWN_PACKAGES.slice(0, 5),
  '@acme/mcp-server',
  '@acme/inventory',
  'acme-inventory-mcp',
  '@modelcontextprotocol/server-new',
])
  test(`takes ${name} for itself`, () => assert.equal(lookalike(name), undefined));

test('no known name looks like another to a newcomer of the same list', () => {
  assert.deepEqual(
    KNOWN_PACKAGES.filter((name) => lookalike(name) !== undefined),
    [],
  );
  assert.equal(new Set(KNOWN_PACKAGES).size, KNOWN_PACKAGES.length);
});
