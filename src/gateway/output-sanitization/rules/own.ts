import { patternOf, readTemplate, type SecretRule } from '../../../contract/secret-template.ts';
import type { Rule } from '../rule.ts';
import { isVaried } from '../secret-shape.ts';

/**
 * The operator's own rule in the form of all others: known by its beginning, wherever no letter or digit stands before it.
 * @throws Error for a template that is none; the configuration has been asked before
 */
export function ownRule({ id, template }: SecretRule): Rule {
  const parts = readTemplate(template);
  const [first] = typeof parts === 'string' ? [] : parts;
  if (typeof parts === 'string' || first === undefined || !('text' in first))
    throw new Error(`${id}: ${String(parts)}`);
  const pattern = new RegExp(`(?<![A-Za-z0-9])${patternOf(parts)}`, 'y');
  return {
    ...{ id, hints: [first.text], bounded: true, pattern },
    // Filled up it is what documentation prints; of all else the operator knows better what it is.
    validate: isVaried,
    examples: [template.replace(/\{([a-z0-9]+):(\d+)-\d+\}/g, '{$1:$2}')],
  };
}
