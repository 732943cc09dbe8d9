import assert from 'node:assert/strict';
import { verifies } from '../support/verifies.ts';
import { opaTest } from './opa.ts';
import { question } from './support.ts';

const WHO = 'input.principal.tenant == "acme"';
const WHAT = 'input.action == "files/read_text_file"';
const WHERE = 'input.resource.tenant == "acme"';
const all = (...lines: readonly string[]) => `permit contains "p" if {\n${lines.join('\n')}\n}`;
const lines = (...rules: readonly string[]) => `package innerkeep\n${rules.join('\n')}\n`;

/** Each would permit what it does not name; together with a text that the refusal must have. */
const DISGUISES: readonly (readonly [string, RegExp])[] = [
  ['permit contains "p"', /principal unconstrained/],
  ['permit contains "p" if true', /principal unconstrained/],
  ['permit contains "p" if not false', /principal unconstrained/],
  [all(WHAT, WHERE), /principal unconstrained/],
  [all(WHO, WHERE), /action unconstrained/],
  [all(WHO, WHAT), /resource unconstrained/],
  [all('input.principal.type == "User"', WHAT, WHERE), /principal unconstrained/],
  [all('input.principal.tenant', WHAT, WHERE), /principal unconstrained/],
  [all('input.principal.tenant != "evil"', WHAT, WHERE), /principal unconstrained/],
  [all('not input.principal.tenant == "evil"', WHAT, WHERE), /principal unconstrained/],
  [all('input.principal.tenant == input.resource.tenant', WHAT, WHERE), /principal unconstrained/],
  [all('input.principal.tenant == input.principal.tenant', WHAT, WHERE), /principal unconstrained/],
  [all(WHO, 'startswith(input.action, "")', WHERE), /action unconstrained/],
  [all(WHO, 'startswith(input.action, "files/")', WHERE), /action unconstrained/],
  [all(WHO, 'regex.match(`.*`, input.action)', WHERE), /action unconstrained/],
  [all(WHO, 'glob.match("*", [], input.action)', WHERE), /action unconstrained/],
  [all(WHO, 'some x\nx = input.action', WHERE), /action unconstrained/],
  [all(WHO, 'x := input.action\nx == x', WHERE), /action unconstrained/],
  [all(WHO, 'count([1 | input.action == "files/read_text_file"]) >= 0', WHERE), /action unconstrained/],
  [all(WHO, 'every x in [] { input.action == x }', WHERE), /action unconstrained/],
  [all(WHO, 'input.action in {input.action}', WHERE), /action unconstrained/],
  [all(WHO, 'input.action in ["files/read_text_file", input.action]', WHERE), /action unconstrained/],
  [all(WHO, 'input.action == ["files/read_text_file", input.action][_]', WHERE), /action unconstrained/],
  [all(WHO, `${WHAT} with input.action as "files/read_text_file"`, WHERE), /action unconstrained|`with`/],
  [`${all(WHO, 'any_action', WHERE)}\nany_action if ${WHAT}\nany_action if true`, /action unconstrained/],
  [`${all(WHO, 'is_read(input.action)', WHERE)}\nis_read(x) := true`, /action unconstrained/],
  [`${all(WHO, 'else_way', WHERE)}\nelse_way if ${WHAT} else if true`, /action unconstrained/],
  // The operator itself becomes somebody's own function.
  [`${all(WHO, WHAT, WHERE)}\nequal(a, b) := true`, /with the name equal|action unconstrained/],
  [`${all(WHO, 'eq(input.action, "files/read_text_file")', WHERE)}\neq(a, b) := true`, /the name eq|unconstrained/],
  [`${all(WHO, WHAT, WHERE)}\ninternal.member_2(a, b) := true`, /internal/],
  [`import data.other as input\n${all(WHO, WHAT, WHERE)}`, /reserved name/],
  [`import input.context.args as input\n${all(WHO, WHAT, WHERE)}`, /reserved name/],
  [`input := {"principal": {"tenant": "acme"}}\n${all(WHO, WHAT, WHERE)}`, /must not shadow|the name input/],
  [all('some input', WHO, WHAT, WHERE), /input is unsafe/],
  [`permit := {"p"} if true`, /conflicting rules permit/],
  [`default permit := {"p"}`, /conflicting rules permit/],
  [`permit["p"] := true`, /permit conflicts with/],
  [`permit.p.q if true`, /permit conflicts with/],
  [`permit contains name if some name in ["p"]`, /no set of constant names/],
  [`permit contains input.action if { ${WHO}; ${WHAT}; ${WHERE} }`, /no set of constant names/],
  [`decision := {"permit": {"p"}, "forbid": {}}`, /the name decision|conflict/],
  [`package innerkeep.permit\n${all(WHO, WHAT, WHERE)}`, /./],
  [
    all(
      WHO,
      'input.action in ["files/read_text_file", "files/list_directory", "files/write_file", "files/read_multiple_files", "files#resources/read", "files#resources/subscribe", "files#prompts/get", "files#resources/list", "files#completion/complete", "files#elicitation/create", "files#sampling/createMessage", "files#roots/list"]',
      WHERE,
    ),
    /naming every action/,
  ],
  // What reaches beyond the question.
  [all(WHO, WHAT, WHERE, 'http.send({"method": "GET", "url": "http://127.0.0.1:1"})'), /function http.send/],
  [`${all(WHO, WHAT, WHERE, 'ok')}\nok if { f := [http.send({"url": "x"}) | true]; f }`, /function http.send/],
  [all(WHO, WHAT, WHERE, 'count(net.lookup_ip_addr("localhost")) > 0'), /function net.lookup_ip_addr/],
  [all(WHO, WHAT, WHERE, 'opa.runtime().env.PATH'), /function opa.runtime/],
  [all(WHO, WHAT, WHERE, 'time.now_ns() > 0'), /function time.now_ns/],
  [all(WHO, WHAT, WHERE, 'rand.intn("x", 2) == 1'), /function rand.intn/],
  [all(WHO, WHAT, WHERE, 'abs(-1) == 1 with abs as time.now_ns'), /./],
  [all(WHO, WHAT, WHERE, 'trace("x")'), /function trace/],
  [all(WHO, WHAT, WHERE, 'json.match_schema({}, {"$ref": "http://127.0.0.1:1/x"})'), /function json.match_schema/],
  [`import data.roles\n${all(WHO, WHAT, WHERE, 'roles[input.principal.id]')}`, /document beside the question/],
  [all(WHO, WHAT, WHERE, 'data.roles[input.principal.id]'), /document beside the question/],
  [all(WHO, WHAT, WHERE, 'data[input.principal.id]'), /recursive/],
  [`${all(WHO, WHAT, WHERE, 'f(input)')}\nf(x) if x.action`, /read as a whole/],
];

opaTest('refuses a permit that leaves principal, action or resource open, however it is disguised', async (opa) => {
  verifies('authz.no-wildcards');
  for (const [text, why] of DISGUISES) {
    const { engine, problems } = await opa.load(lines(text));
    assert.ok(problems.length > 0, `loads: ${text}`);
    assert.ok(
      problems.some(({ message }) => why.test(message)),
      `${text}\n${problems.map(({ message }) => message).join('\n')}`,
    );
    for (const { file, line } of problems) assert.deepEqual([file, line > 0], ['test.rego', true], text);
    const { allow } = await engine.decide(question({ path: '/x' }));
    assert.equal(allow, false, text);
  }
  assert.deepEqual(await opa.held(), [], 'what is refused is not left behind');
});

opaTest('takes the ways to write a scope, each with its other words beside it', async (opa) => {
  verifies('authz.no-wildcards', 'authz.engine');
  const ways = [
    all(WHO, WHAT, WHERE),
    all('"acme" == input.principal.tenant', 'input["action"] = "files/read_text_file"', WHERE),
    all('input.principal.id in {"alice", "bob"}', 'input.action in ["files/read_text_file"]', WHERE),
    all('"eng" in input.principal.groups', WHAT, 'input.resource.id == "acme"'),
    all('who := input.principal.tenant', 'who == "acme"', WHAT, WHERE, 'not night'),
  ].map((rule) => lines('import rego.v1', rule, 'night if input.context.hour > 22'));
  for (const text of ways) {
    const { engine, problems, policies } = await opa.load(text);
    assert.deepEqual(problems, [], text);
    assert.deepEqual(policies, ['test.rego:3']);
    const verdict = await engine.decide(question({ path: '/x' }, { groups: ['eng'] }));
    assert.deepEqual([verdict.allow, verdict.policies], [true, ['test.rego:3']], `${text} ${verdict.detail}`);
    assert.equal(
      (await engine.decide(question({}, { groups: ['eng'], hour: 23 }))).allow,
      text.includes('night if') && !text.includes('not night'),
    );
    assert.equal((await engine.decide(question({}, { action: 'files/write_file', groups: ['eng'] }))).allow, false);
  }
});

opaTest('names file, line and reason of what it refuses, and the nearest name that there is', async (opa) => {
  verifies('authz.engine');
  const at = async (...body: readonly string[]) => {
    const { problems } = await opa.load(lines('# of files', all(WHO, WHAT, WHERE, ...body)));
    return problems.map(({ line, message, mend }) => `${line}: ${message} (${mend})`);
  };
  assert.deepEqual(await at('input.context.args.pth == "x"'), [
    '3: there is no input.context.args.pth (did you mean path?)',
  ]);
  assert.deepEqual(await at('input.contxt.hour == 1'), ['3: there is no input.contxt (did you mean context?)']);
  assert.match(String(await at('input.context.hour ==')), /^7: |^8: /);
  assert.match(String(await at('nothing(1)')), /7: undefined function nothing|rego_type_error/);
  const typo = await opa.load(lines(all(WHO, 'input.action == "files/read_text_fil"', WHERE)));
  assert.deepEqual(
    typo.problems.map(({ message, mend }) => `${message} (${mend})`),
    ['no pinned server has files/read_text_fil (did you mean files/read_text_file?)'],
  );
});
