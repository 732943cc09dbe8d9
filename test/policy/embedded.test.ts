import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verifies } from '../support/verifies.ts';
import { decide, engineOf, load } from './support.ts';

const permit = (action: string, when = '') =>
  `permit (principal in Tenant::"acme", action == Action::"${action}", resource == Tenant::"acme")${when};`;

test('what a server asks in mid-call is an action of its own, and none is permitted by another', () => {
  verifies('authz.default-deny');
  const asked = ['files#elicitation/create', 'files#sampling/createMessage', 'files#roots/list'];
  for (const action of asked) {
    const engine = engineOf(permit(action));
    for (const other of [...asked, 'files/read_text_file'])
      assert.equal(decide(engine, {}, { action: other }).allow, other === action, `${action} permits ${other}`);
  }
  const [misspelt] = load(permit('files#elicitation/creat')).problems;
  assert.match(misspelt?.mend ?? '', /files#elicitation\/create/);
  // Its params are the server's own words: no policy can be written on them.
  assert.match(load(permit('files#roots/list', ' when { context.args.uri == "x" }')).problems[0]?.message ?? '', /uri/);
});

test('a subscription is decided by its canonical URI, as a read is', () => {
  verifies('authz.question');
  const action = 'files#resources/subscribe';
  const engine = engineOf(permit(action, ' when { context.args.uri like "file:///data/public/*" }'));
  assert.equal(decide(engine, { uri: 'file:///data/public/a' }, { action }).allow, true);
  assert.equal(decide(engine, { uri: 'file:///data/secret/a' }, { action }).allow, false);
  assert.ok(decide(engine, { uri: 'file:///data/public/../secret/a' }, { action }).notCanonical);
});
