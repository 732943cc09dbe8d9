import type { TestEvent } from 'node:test/reporters';
import { spec } from 'node:test/reporters';

/** The usual tree, then each skip with its reason, then the one closing line that CI reads. */
export default async function* reporter(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const [counts, skips, tree] = [{ passed: 0, failed: 0, skipped: 0 }, [] as string[], new spec()];
  for await (const event of source) {
    if (event.type === 'test:pass' || event.type === 'test:fail') {
      const { details, skip, name } = event.data;
      if (details.type === 'suite') continue;
      if (skip !== undefined) {
        counts.skipped++;
        skips.push(`skipped: ${name}: ${skip === true ? 'no reason given' : skip}`);
      } else counts[event.type === 'test:pass' ? 'passed' : 'failed']++;
    }
    yield* render(tree, event);
  }
  yield `${skips.join('\n')}\n${counts.passed} passed, ${counts.failed} failed`;
  yield counts.skipped > 0 ? `, ${counts.skipped} skipped\n` : '\n';
}

function* render(tree: InstanceType<typeof spec>, event: TestEvent): Generator<string> {
  tree.write(event);
  for (let text = tree.read(); text !== null; text = tree.read()) yield String(text);
}
