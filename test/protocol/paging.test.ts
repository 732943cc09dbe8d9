import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Refusal } from '../../src/contract/refusal.ts';
import type { Subject } from '../../src/contract/tool-call.ts';
import { createCatalogue } from '../../src/gateway/descriptors/catalogue.ts';
import { identifyStage } from '../../src/gateway/descriptors/identify.ts';
import { lists } from '../../src/gateway/descriptors/lists.ts';
import { outbound } from '../../src/gateway/descriptors/outbound.ts';
import { createVisibility } from '../../src/gateway/descriptors/visibility.ts';
import { server } from '../edge/bench.ts';
import { message } from '../subscriptions/support.ts';
import { verifies } from '../support/verifies.ts';

interface Wish {
  readonly name: string;
  readonly tools: number;
  readonly prompts: number;
  readonly templates: number;
  readonly resources: number;
  readonly page: number;
  readonly hidden: (item: string) => boolean;
}

const wish: fc.Arbitrary<Wish> = fc.record({
  name: fc.stringMatching(/^[a-z][a-z0-9-]{0,5}$/),
  tools: fc.nat(300),
  prompts: fc.nat(300),
  templates: fc.nat(300),
  resources: fc.nat(40),
  page: fc.integer({ min: 1, max: 13 }),
  hidden: fc.func(fc.boolean()),
});
const wishes = fc.uniqueArray(wish, { selector: ({ name }) => name, minLength: 1, maxLength: 6 });

const numbered = (count: number, make: (at: number) => string): string[] =>
  Array.from({ length: count }, (_, at) => make(at));

function gateway(wished: readonly Wish[]) {
  const byName = new Map(wished.map((one) => [one.name, one]));
  const servers = wished.map(({ name, tools, prompts, templates }) =>
    server(
      name,
      numbered(tools, (at) => `t${at}`),
      {
        prompts: numbered(prompts, (at) => `p${at}`).map((prompt) => ({
          name: prompt,
          raw: JSON.stringify({ name: prompt }),
          digest: '',
        })),
        resourceTemplates: numbered(templates, (at) => `r${at}`).map((template) => {
          return {
            name: template,
            raw: JSON.stringify({ name: template, uriTemplate: `${template}:{x}` }),
            digest: '',
          };
        }),
      },
    ),
  );
  const visible = (_: Subject, action: string) => !byName.get(action.split(/[/#]/)[0] ?? '')?.hidden(action);
  const catalogue = createCatalogue(servers);
  const visibility = createVisibility(catalogue, visible);
  const list = lists({ catalogue, visibility, visible });
  const identify = identifyStage({ catalogue, visibility, visible, decodeHeader: (value) => value });

  /** As a server does it: pages of its own size, under a cursor of its own. */
  const resources = (name: string, cursor: unknown): string => {
    const { resources: count, page } = byName.get(name) as Wish;
    const from = cursor === undefined ? 0 : Number(String(cursor).slice('own '.length));
    const found = numbered(count, (at) => `x:${at}`).slice(from, from + page);
    const next = from + page < count ? { nextCursor: `own ${from + page}` } : {};
    return JSON.stringify({ resources: found.map((uri) => ({ uri })), ...next });
  };

  const ask = async (method: string, path: string | undefined, cursor?: string) => {
    const call = message(method, cursor === undefined ? {} : { cursor }, { path });
    const listed = await list(call);
    if (listed !== undefined) return JSON.parse(listed);
    const { target } = await identify(call);
    return JSON.parse(outbound(target, path === undefined, false, resources(target.server, target.params.cursor)));
  };
  return { ask, visible: (action: string) => visible({} as Subject, action) };
}

const KINDS = [
  ['tools/list', 'tools', 'name'],
  ['prompts/list', 'prompts', 'name'],
  ['resources/templates/list', 'resourceTemplates', 'uriTemplate'],
  ['resources/list', 'resources', 'uri'],
] as const;

function expected(
  method: string,
  wished: readonly Wish[],
  visible: (action: string) => boolean,
  prefixed: boolean,
): string[] {
  return wished
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap(({ name, tools, prompts, templates, resources }) => {
      const all = (count: number, make: (at: number) => string, action: (item: string) => string, join: string) =>
        numbered(count, make)
          .filter((item) => visible(action(item)))
          .map((item) => (prefixed ? `${name}${join}${item}` : item));
      if (method === 'tools/list')
        return all(
          tools,
          (at) => `t${at}`,
          (item) => `${name}/${item}`,
          '__',
        );
      if (method === 'prompts/list')
        return all(
          prompts,
          (at) => `p${at}`,
          () => `${name}#prompts/get`,
          '__',
        );
      if (method === 'resources/list')
        return all(
          resources,
          (at) => `x:${at}`,
          () => `${name}#resources/list`,
          '+',
        );
      return all(
        templates,
        (at) => `r${at}:{x}`,
        () => `${name}#resources/read`,
        '+',
      );
    });
}

test('the pages of a list over many servers are, together, exactly what the subject may see, each once, in one order', async () => {
  verifies('authz.default-deny');
  await fc.assert(
    fc.asyncProperty(wishes, async (wished) => {
      const { ask, visible } = gateway(wished);
      for (const [method, member, key] of KINDS) {
        for (const path of [undefined, wished[0]?.name]) {
          const chosen = path === undefined ? wished : wished.slice(0, 1);
          const found: string[] = [];
          let cursor: string | undefined;
          let pages = 0;
          do {
            const page = await ask(method, path, cursor);
            found.push(...(page[member] as Record<string, string>[]).map((item) => item[key] ?? ''));
            cursor = page.nextCursor;
            assert.ok(++pages < 1000);
          } while (cursor !== undefined);
          assert.deepEqual(found, expected(method, chosen, visible, path === undefined), `${method} ${path}`);
        }
      }
    }),
    { numRuns: 12 },
  );
});

test('a cursor that is not ours is refused, and ours is good for no list that it was not made for', async () => {
  const { ask } = gateway([
    { name: 'a', tools: 250, prompts: 3, templates: 3, resources: 9, page: 4, hidden: () => false },
    {
      name: 'b',
      tools: 1,
      prompts: 3,
      templates: 3,
      resources: 9,
      page: 4,
      hidden: (item) => item === 'b#resources/list',
    },
  ]);
  const ours = {
    tools: (await ask('tools/list', undefined)).nextCursor,
    resources: (await ask('resources/list', undefined)).nextCursor,
  };
  const refused = (method: string, cursor: string) =>
    assert.rejects(
      () => ask(method, undefined, cursor),
      (error) => error instanceof Refusal && error.code === 'params',
      `${method} ${cursor.slice(0, 80)}`,
    );
  const mark = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  for (const [method] of KINDS) {
    const [mine, other] = method === 'resources/list' ? [ours.resources, ours.tools] : [ours.tools, ours.resources];
    await refused(method, other);
    if (method === 'prompts/list') await refused(method, mine);
    for (const bad of [
      `${mine}=`,
      `${mine} `,
      mine.toUpperCase(),
      mine.slice(1),
      mark({ server: 'b' }),
      mark({ server: 'A' }),
    ]) {
      await refused(method, bad);
    }
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.string(), fc.json().map(mark)), (bad) => refused(method, bad)),
      { numRuns: 50 },
    );
  }
});
