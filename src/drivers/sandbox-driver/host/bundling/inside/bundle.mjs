// Runs in a sandbox and prints, as JSON, what the server at ENTRY could be started from instead of its files: one module
// (`bundle`), and one whose first part may be evaluated beforehand (`snapshot`). Each is `{ code }`, or `{ plain }`: why
// it could do anything else than the server's own files would.
//   node bundle.mjs ESBUILD ESBUILD-BINARY ENTRY ARG…
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { check, Plain, places, rules } from './bundler.mjs';
import { inTwoParts } from './two-parts.mjs';

const [, , library, binary, ...command] = process.argv;
const [entry] = command;
process.env.ESBUILD_BINARY_PATH = binary;
const { default: esbuild } = await import(library);

/** What CommonJS files load of node itself. */
const banner = `import { createRequire as $createRequire } from 'node:module';
const require = $createRequire(${JSON.stringify(pathToFileURL(resolve(entry)).href)});`;

async function made() {
  try {
    const { outputFiles, metafile } = await esbuild.build({
      ...rules,
      entryPoints: [entry],
      banner: { js: banner },
      plugins: [places(esbuild)],
    });
    check(metafile);
    return {
      bundle: { code: outputFiles[0].text },
      snapshot: await whole(() => inTwoParts(esbuild, metafile, command)),
    };
  } catch (error) {
    return { bundle: { plain: reason(error) }, snapshot: { plain: reason(error) } };
  }
}

async function whole(make) {
  try {
    return { code: await make() };
  } catch (error) {
    return { plain: reason(error) };
  }
}

function reason(error) {
  if (!(error instanceof Plain) && error.errors === undefined) return error.stack;
  const [{ text, location } = { text: error.message }] = error.errors ?? [];
  return location ? `${location.file}:${location.line}: ${text}` : text;
}

console.log(JSON.stringify(await made()));
