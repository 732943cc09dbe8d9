// One script of two parts: what the server imports of others can be evaluated one after the other (`first`), and its own
// files run when `start` is called. So no line of the server itself runs before its start.
import { isBuiltin } from 'node:module';
import { resolve } from 'node:path';
import { Plain, places, rules } from './bundler.mjs';
import { take } from './snapshot.mjs';

/**
 * Leaves what cannot be evaluated beforehand to the second part, as often as it takes.
 * @param metafile of the one module
 * @returns the script's code, for `run` of evaluate.cjs
 * @throws Plain
 */
export async function inTwoParts(esbuild, { inputs, outputs }, command) {
  const [{ entryPoint }] = Object.values(outputs);
  const first = importedOfOthers(inputs, entryPoint);
  const why = [];
  while (first.size > 0) {
    const code = await script(esbuild, [...first], entryPoint);
    const { against, plain } = take(code, command);
    if (plain !== undefined) throw new Plain(plain);
    if (against === undefined) return code;
    for (const [name, asked] of against) {
      why.push(`${name} asks for ${asked}`);
      if (!first.delete(name)) throw new Plain(why.join('; '));
    }
  }
  throw new Plain(why.join('; ') || 'it imports nothing of others');
}

async function script(esbuild, first, entry) {
  const load = (path) => `() => import(${JSON.stringify(resolve(rules.absWorkingDir, path))})`;
  const contents = `export const first = [${first.map((path) => `[${JSON.stringify(path)}, ${load(path)}]`)}];
export const start = ${load(entry)};`;
  const { outputFiles } = await esbuild.build({
    ...rules,
    stdin: { contents, resolveDir: rules.absWorkingDir, sourcefile: 'parts.mjs' },
    plugins: [nodesOwn, places(esbuild)],
  });
  // Only now, when each await at a top level is in a function: scripts have none.
  const { code } = esbuild.transformSync(outputFiles[0].text, {
    ...{ format: 'cjs', platform: 'node', target: 'esnext', charset: 'utf8', legalComments: 'none' },
  });
  return code;
}

/** Files of other packages that the server's own import at their top, in the order in which node would come to them. */
function importedOfOthers(inputs, entry) {
  const [others, seen] = [new Set(), new Set()];
  const walk = (path) => {
    if (seen.has(path)) return;
    seen.add(path);
    for (const { path: to, kind, external } of inputs[path].imports)
      if (!external && kind === 'import-statement') packageOf(to) === packageOf(entry) ? walk(to) : others.add(to);
  };
  walk(entry);
  return others;
}

function packageOf(path) {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0] ?? '';
}

/** What is node's own is loaded when the file that imports it runs. */
const nodesOwn = {
  name: 'node',
  setup(build) {
    build.onResolve({ filter: /.*/ }, ({ path }) => (isBuiltin(path) ? { path, namespace: 'node' } : undefined));
    build.onLoad({ filter: /.*/, namespace: 'node' }, ({ path }) => ({
      contents: `module.exports = $node(${JSON.stringify(path)});`,
    }));
  },
};
