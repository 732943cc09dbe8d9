import { writeFileSync } from 'node:fs';
import type { TestEvent } from 'node:test/reporters';
import { spec } from 'node:test/reporters';

/**
 * The usual tree, then each skip with its reason, then the one closing line that CI reads. The files with a failure are
 * written to the file that `FAILED_FILES` names, a line each.
 */
export default async function* reporter(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const failedFiles = new Set<string>();
  const [counts, skips, tree] = [{ passed: 0, failed: 0, skipped: 0 }, [] as string[], new spec()];
  for await (const event of source) {
    if (event.type === 'test:pass' || event.type === 'test:fail') {
      const { details, skip, name } = event.data;
      if (details.type === 'suite') continue;
      if (skip !== undefined) {
        counts.skipped++;
        skips.push(`skipped: ${name}: ${skip === true ? 'no reason given' : skip}`);
      } else if (event.type === 'test:pass') counts.passed++;
      else {
        counts.failed++;
        failedFiles.add(event.data.file ?? 'a test without a file');
      }
    }
    yield* render(tree, event);
  }
  const { FAILED_FILES: list } = process.env;
  if (list) writeFileSync(list, [...failedFiles].map((file) => `${file}\n`).join(''));
  yield `${skips.join('\n')}\n${counts.passed} passed, ${counts.failed} failed`;
  yield counts.skipped > 0 ? `, ${counts.skipped} skipped\n` : '\n';
}

function* render(tree: InstanceType<typeof spec>, event: TestEvent): Generator<string> {
  tree.write(event);
  for (let text = tree.read(); text !== null; text = tree.read()) yield String(text);
}
