import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BundleId } from '../../src/contract/signed-bundle.ts';
import { type FromGateway, type GatewayOpening, SHOWN_PAGE, type ToGateway } from '../../src/contract/zone-link.ts';
import { openPki } from '../../src/control-plane/pki/pki.ts';
import { type ControlListener, controlListener } from '../../src/gateway/control-link/listener.ts';
import { GatewayAway, GatewayHandle } from '../../src/main/gateway-handle.ts';
import { scratch } from '../support/scratch.ts';

const known: BundleId = { version: 7, digest: 'seven' };
/** Longer than one page. */
const proof = 'p'.repeat(SHOWN_PAGE + 10);

interface Case {
  readonly held?: BundleId;
  /** What it shows as the bundle that it has kept. */
  readonly kept: string;
  readonly astray: readonly (readonly [BundleId, boolean])[];
}
const [never, fork] = [
  { version: 999, digest: 'never' },
  { version: 7, digest: 'fork' },
];
const cases: Readonly<Record<string, Case>> = {
  'holds a version of the registry': { held: known, kept: '', astray: [] },
  'holds nothing yet': { kept: '', astray: [] },
  'says that it holds what it cannot show': { held: never, kept: '', astray: [[never, false]] },
  'shows what zone 0 has not signed': { held: never, kept: 'forged', astray: [[never, false]] },
  'holds what zone 0 has signed, and the registry does not have': { held: fork, kept: proof, astray: [[fork, true]] },
};

for (const [what, { held, kept, astray }] of Object.entries(cases))
  test(`a gateway that ${what} ${astray.length === 0 ? 'is brought up to date' : 'is named, and gets nothing'}`, async (t) => {
    const pki = await openPki(scratch(t), Date.now);
    const { key, cert } = await pki.zones.gateway('edge-1');
    const said: string[] = [];
    const answers: { [K in ToGateway['kind']]?: (message: ToGateway & { kind: K }) => FromGateway } = {
      status: () => ({ kind: 'status', serving: held !== undefined, ...(held && { held }) }),
      show: ({ after }) => ({ kind: 'shown', text: kept.slice(after, after + SHOWN_PAGE), size: kept.length }),
      open: () => ({ kind: 'listening', port: 1 }),
      bundle: () => ({ kind: 'applied', held: { version: 8, digest: 'eight' } }),
    };
    const gateway: ControlListener = controlListener(
      { gateway: 'edge-1', key, cert, authority: pki.zones.caPem, bundleKey: pki.bundleKey.publicPem },
      {
        up: () => undefined,
        message(message) {
          if (message.kind !== 'pulse') said.push(message.kind);
          const answer = answers[message.kind] as ((message: ToGateway) => FromGateway) | undefined;
          if (answer !== undefined) gateway.send(answer(message));
        },
        down: () => undefined,
        report: () => undefined,
      },
    );
    const port = await gateway.listen({ host: '127.0.0.1', port: 0 });
    const found: [BundleId, boolean][] = [];
    const handle = new GatewayHandle({
      name: 'edge-1',
      address: { host: '127.0.0.1', port },
      pki,
      opening: async () => ({}) as GatewayOpening,
      newest: () => ({ version: 8, digest: 'eight', envelope: 'signed' }),
      known: ({ digest }) => digest === known.digest,
      signed: (envelope) => envelope === proof,
      astray: (id, signed) => void found.push([id, signed]),
      spent: () => undefined,
      turned: () => undefined,
      fault: () => undefined,
    });
    t.after(() => {
      handle.close();
      gateway.close();
    });
    await handle.met;
    if (astray.length === 0) {
      await handle.opened;
      await handle.catchUp();
      assert.deepEqual(handle.held, { version: 8, digest: 'eight' });
    } else {
      await assert.rejects(handle.catchUp(), GatewayAway);
      await assert.rejects(handle.audit(0), GatewayAway);
      assert.deepEqual([handle.isThere, said.includes('open'), said.includes('bundle')], [false, false, false]);
    }
    assert.deepEqual(found, astray);
  });
