import fc from 'fast-check';

/** One condition in both languages; in Rego with the rules that it needs beside it. */
interface Both {
  readonly cedar: string;
  readonly rego: string;
  readonly rules: readonly string[];
}

const simple = fc
  .constantFrom(
    ['context.args.item == "a"', 'input.context.args.item == "a"'],
    ['context.args.item != "b"', 'input.context.args.item != "b"'],
    ['context.args.item like "/d/*"', 'startswith(input.context.args.item, "/d/")'],
    ['(context.args has count && context.args.count > 2)', 'input.context.args.count > 2'],
    ['["a", "c"].contains(context.args.item)', 'input.context.args.item in ["a", "c"]'],
    ['context.hour < 6', 'input.context.hour < 6'],
    ['context.weekday == 7', 'input.context.weekday == 7'],
    ['(context has mfa_age_s && context.mfa_age_s < 100)', 'input.context.mfa_age_s < 100'],
    ['principal in Group::"staff"', '"staff" in input.principal.groups'],
    ['principal.groups.contains("ops")', '"ops" in input.principal.groups'],
    ['(principal has acr && principal.acr == "phr")', 'input.principal.acr == "phr"'],
    ['principal is Workload', 'input.principal.type == "Workload"'],
    ['action == Action::"shop/buy"', 'input.action == "shop/buy"'],
    ['context.ip_risk > 50', 'input.context.ip_risk > 50'],
    ['(context has device && context.device == "ok")', 'input.context.device == "ok"'],
    ['context.tool.writes.contains("external")', '"external" in input.context.tool.writes'],
    ['context.tool.step_up', 'input.context.tool.step_up'],
    [
      'context.session.reads.containsAll(["private", "untrusted"])',
      'object.subset({r: 1 | some r in input.context.session.reads}, {"private": 1, "untrusted": 1})',
    ],
    ['context.session.calls["shop/buy"] > 1', 'input.context.session.calls["shop/buy"] > 1'],
    ['context.session.approved.contains("shop/look")', '"shop/look" in input.context.session.approved'],
    ['true', 'true'],
    ['false', 'false'],
  )
  .map(([cedar = '', rego = '']): Both => ({ cedar, rego, rules: [] }));

/** A rule's name from what it says: the same for the same. */
function ruleOf(bodies: readonly string[]): { readonly name: string; readonly rules: readonly string[] } {
  const name = `c${[...bodies.join('|')].reduce((sum, letter) => (sum * 31 + (letter.codePointAt(0) ?? 0)) >>> 0, 7)}`;
  return { name, rules: bodies.map((body) => `${name} if { ${body} }`) };
}

function not(a: Both): Both {
  const { name, rules } = ruleOf([a.rego]);
  return { cedar: `!(${a.cedar})`, rego: `not ${name}`, rules: [...a.rules, ...rules] };
}

function or([a, b]: readonly [Both, Both]): Both {
  const { name, rules } = ruleOf([a.rego, b.rego]);
  return { cedar: `(${a.cedar} || ${b.cedar})`, rego: name, rules: [...a.rules, ...b.rules, ...rules] };
}

function and([a, b]: readonly [Both, Both]): Both {
  return { cedar: `(${a.cedar} && ${b.cedar})`, rego: `${a.rego}; ${b.rego}`, rules: [...a.rules, ...b.rules] };
}

const { condition } = fc.letrec<{ condition: Both }>((tie) => {
  const two = fc.tuple(tie('condition'), tie('condition'));
  return {
    condition: fc.oneof(
      { maxDepth: 3, depthSize: 'large' },
      simple,
      two.map(and),
      two.map(or),
      tie('condition').map(not),
    ),
  };
});

const who = fc.constantFrom(
  ['principal in Tenant::"acme"', 'input.principal.tenant == "acme"'],
  ['principal == User::"alice"', 'input.principal.id == "alice"; input.principal.type == "User"'],
  ['principal in Group::"staff"', '"staff" in input.principal.groups'],
);
const look = ['action == Action::"shop/look"', 'input.action == "shop/look"'];
const both = ['action in [Action::"shop/look", Action::"shop/buy"]', 'input.action in ["shop/look", "shop/buy"]'];

interface Policy {
  readonly cedar: string;
  readonly head: string;
  readonly body: string;
  readonly rules: readonly string[];
}

const permit = fc
  .tuple(who, fc.constantFrom(look, both), fc.constantFrom('acme', 'acme', 'acme', 'evil'), condition)
  .map(([[principal, asked], [action, named], tenant, { cedar, rego, rules }]): Policy => {
    const scope = `${principal}, ${action}, resource == Tenant::"${tenant}"`;
    const body = `${asked}; ${named}; input.resource.id == "${tenant}"; ${rego}`;
    return { cedar: `permit (${scope}) when { ${cedar} };`, head: 'permit', body, rules };
  });
const forbid = fc
  .tuple(fc.constantFrom(look, both), fc.constantFrom('forbid', 'ask_caller', 'ask_operator'), condition)
  .map(([[action, named], head, { cedar, rego, rules }]): Policy => {
    const ask = head === 'forbid' ? '' : `@ask("${head.slice('ask_'.length)}") `;
    return {
      cedar: `${ask}forbid (principal, ${action}, resource) when { ${cedar} };`,
      ...{ head, body: `${named}; ${rego}`, rules },
    };
  });

/** The same policies in both languages; the n-th of them is on line n + 1 of either. */
export const pairs = fc
  .array(fc.oneof({ weight: 4, arbitrary: permit }, { weight: 2, arbitrary: forbid }), { minLength: 1, maxLength: 5 })
  .map((list) => ({
    cedar: ['', ...list.map(({ cedar }) => cedar)].join('\n'),
    rego: [
      'package innerkeep',
      ...list.map(({ head, body }, index) => `${head} contains "p${index}" if { ${body} }`),
      ...new Set(list.flatMap(({ rules }) => rules)),
    ].join('\n'),
  }));
