import type { Rule } from '../rule.ts';
import { assignments } from './assignments.ts';
import { cards } from './cards.ts';
import { cloud } from './cloud.ts';
import { development } from './development.ts';
import { keys } from './keys.ts';
import { models } from './models.ts';
import { services } from './services.ts';

/** All rules; where two find a secret at the same place, the earlier names it. */
export const rules: readonly Rule[] = [
  ...keys,
  ...cloud,
  ...development,
  ...models,
  ...services,
  ...cards,
  ...assignments,
];
