import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, test } from 'node:test';
import fc from 'fast-check';
import { ALPHABETS, type Alphabet, readTemplate } from '../../src/contract/secret-template.ts';
import { loadConfig } from '../../src/control-plane/config/load.ts';
import { ConfigError } from '../../src/control-plane/config/problem.ts';
import { createFilter, useOwnRules } from '../../src/gateway/output-sanitization/filter.ts';
import { redact } from '../../src/gateway/output-sanitization/redact.ts';
import { redactJson } from '../../src/gateway/output-sanitization/redact-json.ts';
import { scratch } from '../support/scratch.ts';
import { verifies } from '../support/verifies.ts';
import { sampleOf } from './samples.ts';

afterEach(() => useOwnRules([]));

/** A template that is one: a beginning, then alphabets with marks between them that are in none. */
const templates = fc
  .tuple(
    fc.stringMatching(/^[a-z]{3,8}_$/),
    fc.array(fc.tuple(fc.constantFrom(...(Object.keys(ALPHABETS) as Alphabet[])), fc.integer({ min: 12, max: 40 })), {
      minLength: 1,
      maxLength: 3,
    }),
  )
  .map(([start, parts]) => start + parts.map(([alphabet, length]) => `{${alphabet}:${length}}`).join('.'));

test('a secret of one’s own rule is found wherever a stream is cut, in each coat, and named by its rule', () => {
  verifies('output.secrets');
  fc.assert(
    fc.property(templates, fc.nat(), (template, seed) => {
      useOwnRules([{ id: 'acme', template }]);
      const { secret } = sampleOf(template, `${seed}`);
      const text = `It is ${secret} today`;
      const clean = redact(text);
      // A drawn one may be of a kind that is known already, or look filled up; what is found at all is found everywhere.
      fc.pre(clean === 'It is [redacted:acme] today');
      for (let at = 0; at <= text.length; at++) {
        const filter = createFilter();
        assert.equal(filter.push(text.slice(0, at)) + filter.push(text.slice(at)) + filter.end(), clean);
      }
      for (const coated of [
        Buffer.from(text).toString('base64'),
        encodeURIComponent(text).replace(/[a-z]/g, (char) => `%${char.charCodeAt(0).toString(16)}`),
        JSON.stringify({ inner: text }),
      ]) {
        const { json } = redactJson(JSON.stringify({ content: [{ type: 'text', text: coated }] }));
        assert.ok(!json.includes(coated), `${template}: ${coated}`);
      }
    }),
    { numRuns: 100 },
  );
});

test('what is filled up, or part of a longer word, is no secret of one’s own rule', () => {
  verifies('output.secrets');
  useOwnRules([{ id: 'acme', template: 'acme_{mixed:24-32}' }]);
  for (const text of [`acme_${'x'.repeat(24)}`, `myacme_${'q7'.repeat(12)}`, `acme_${'q7'.repeat(6)}`])
    assert.equal(redact(text), text);
  assert.equal(redact(`acme_${'q7'.repeat(12)}`), '[redacted:acme]');
  useOwnRules([]);
  assert.equal(redact(`acme_${'q7'.repeat(12)}`), `acme_${'q7'.repeat(12)}`);
});

for (const [template, why] of [
  ['acme_[A-Za-z0-9]+', /write a template such as acme_/],
  ['acme_(a+)+{mixed:20}', /patterns are not taken/],
  ['{mixed:40}', /begin with at least 4/],
  ['ac_{mixed:40}', /begin with at least 4/],
  ['acme_{mixed:40}{mixed:2', /neither plain text/],
  ['acme_{emoji:40}', /no alphabet emoji; one of digits/],
  ['acme_{mixed:8}', /only 8 characters/],
  ['acme_{mixed:40-20}', /smaller number first/],
  ['acme_{mixed:20-30}{hex:8}', /nobody could say where it ends/],
  ['acme_{hex:20-30}beef', /nobody could say where it ends/],
  ['acme_{mixed:600}', /at most 512/],
  ['acme key {mixed:20}', /neither plain text/],
  ['acmé_{mixed:20}', /neither plain text/],
  ['', /begin with/],
] as const)
  test(`refuses the template ${JSON.stringify(template)}`, () => {
    verifies('output.secrets');
    const read = readTemplate(template);
    assert.match(typeof read === 'string' ? read : 'it was taken', why);
  });

test('refuses a rule that is none, or does not do what its samples say, with line, key and mend', async (t) => {
  verifies('output.secrets');
  const dir = scratch(t);
  const faults = async (rules: string): Promise<string[]> => {
    const file = join(dir, 'innerkeep.yaml');
    writeFileSync(file, `redaction:\n  licence: CC0-1.0\n  rules:\n${rules}`);
    try {
      await loadConfig(file, join(dir, 'state'));
      return [];
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      return error.problems.map(({ line, key, message }) => `${line} ${key}: ${message}`);
    }
  };
  const good = `    acme: { template: "acme_{hex:16}", finds: ["acme_${'0a'.repeat(8)}"], spares: ["acme_none"] }\n`;
  assert.deepEqual(await faults(good), []);
  assert.match(
    (await faults(`${good}    other: { template: "x{hex:16}" }\n`)).join(),
    /^5 redaction\.rules\.other\.template: .*such as acme_/,
  );
  assert.match(
    (await faults(good.replace('acme_none', `acme_${'f'.repeat(16)}`))).join(),
    /^4 redaction\.rules\.acme\.spares\[0\]: .*finds a secret/,
  );
  assert.match(
    (await faults(good.replace('0a0a', '0g0g'))).join(),
    /^4 redaction\.rules\.acme\.finds\[0\]: .*does not find it/,
  );
  assert.match(
    (await faults('    Acme: { template: "acme_{hex:16}" }\n')).join(),
    /^4 redaction\.rules\.Acme: a rule is a-z/,
  );
  const many = Array.from({ length: 101 }, (_, index) => `    r${index}: { template: "acme_{hex:16}" }\n`).join('');
  assert.match((await faults(many)).join(), /at most 100 rules/);
});
