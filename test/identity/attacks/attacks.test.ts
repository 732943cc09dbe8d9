import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verifies } from '../../support/verifies.ts';
import { shown } from '../support/authority.ts';
import { MCP } from '../support/gateway.ts';
import { proof } from '../support/holder.ts';
import { type Attack, type Field, field, ROBOT } from './field.ts';
import { proofAttacks } from './proofs.ts';
import { tokenAttacks } from './tokens.ts';
import { certificateAttacks, jwtSvidAttacks, spiffeIdAttacks } from './workloads.ts';

const suites: readonly [string, number, (good: Field) => Promise<readonly Attack[]>][] = [
  ['tokens', 180, tokenAttacks],
  ['proofs', 110, proofAttacks],
  ['certificates', 40, certificateAttacks],
  ['SPIFFE IDs', 40, spiffeIdAttacks],
  ['JWT-SVIDs', 28, jwtSvidAttacks],
];

const answers = new Set<string>();
const names: string[] = [];

for (const [suite, least, attacks] of suites)
  test(`${suite}: each attack is refused for its own reason, and all get the one answer`, async (t) => {
    verifies('authn.edge', 'authn.workload', 'authn.audience');
    const { good, attempt } = await field(t);
    const all = await attacks(good);
    const others: string[] = [];
    for (const attack of all) {
      const { answer, detail } = await attempt(attack);
      answers.add(answer);
      names.push(attack.name);
      if (!attack.reason.test(detail)) others.push(`${attack.name}: ${detail}, not ${attack.reason}`);
    }
    assert.deepEqual(others, []);
    assert.ok(all.length >= least, `${all.length} attacks`);
    t.diagnostic(`${all.length} attacks`);
  });

test('no two attacks are one, and no answer differs from another in a byte', () => {
  assert.equal(answers.size, 1, [...answers].join('\n'));
  assert.match([...answers].join(), /^\[421,.*Misdirected request/);
  assert.equal(new Set(names).size, names.length);
  assert.ok(names.length >= 400, String(names.length));
});

test('what the attacks were made of is good before it is bent', async (t) => {
  const { good, edge, bindTo } = await field(t);
  const certificate = shown([good.robot]);
  assert.equal((await edge.bearer(await good.token())).id, 'bob');
  assert.equal((await edge.bearer(await good.alien({}, { typ: 'JWT' }))).id, 'https://idp.example#bob');
  assert.equal((await edge.bearer(await good.svid())).id, ROBOT);
  assert.equal((await edge.ask(undefined, { certificate })).id, ROBOT);
  const deep = [await good.leaf({}, good.middle), good.middle];
  assert.equal((await edge.ask(undefined, { certificate: shown(deep) })).id, ROBOT);
  assert.equal((await edge.bearer(await good.token(bindTo(good.robot)), { certificate })).id, 'bob');
  const token = await good.token({ cnf: { jkt: good.holder.thumbprint, ...bindTo(good.robot).cnf } });
  const dpop = proof(good.holder, { token, htu: MCP, iat: good.now });
  assert.equal((await edge.ask(`DPoP ${token}`, { certificate, headers: { dpop } })).id, 'bob');
});
