// How a server's files become one module, and which files cannot.
import { readFileSync } from 'node:fs';
import { dirname, extname } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Why a server is started from its files. */
export class Plain extends Error {}

/** What is computed at run time cannot be bundled; what esbuild would only warn of. */
const errors = Object.fromEntries(
  [
    'direct-eval',
    'indirect-require',
    'unsupported-dynamic-import',
    'unsupported-require-call',
    'require-resolve-not-external',
    'import-is-undefined',
    'call-import-namespace',
    'commonjs-variable-in-esm',
  ].map((name) => [name, 'error']),
);

export const rules = {
  absWorkingDir: '/srv',
  bundle: true,
  write: false,
  metafile: true,
  platform: 'node',
  format: 'esm',
  target: 'esnext',
  // As node resolves, and nothing that a manifest or a comment says of side effects is believed.
  mainFields: ['main'],
  conditions: ['module-sync', 'node-addons'],
  ignoreAnnotations: true,
  keepNames: true,
  charset: 'utf8',
  legalComments: 'none',
  tsconfigRaw: {},
  logLevel: 'silent',
  logOverride: errors,
};

/** Modules that load code by ways that a bundler does not see. */
const loaders = /^(node:)?(module|worker_threads|cluster|vm|inspector|inspector\/promises|repl)$/;

const loaderOf = { '.js': 'js', '.cjs': 'js', '.mjs': 'js', '.ts': 'ts', '.cts': 'ts', '.mts': 'ts' };

/** Each file keeps what it knows of its own place. */
export const places = (esbuild) => ({
  name: 'places',
  setup(build) {
    build.onLoad({ filter: /\.[cm]?[jt]s$|\/[^/.]+$/ }, ({ path }) => {
      const source = readFileSync(path, 'utf8').replace(/^#!.*/, '');
      const loader = loaderOf[extname(path)] ?? 'js';
      if (!/import\.meta|__dirname|__filename/.test(source)) return { contents: source, loader };
      const [file, directory] = [JSON.stringify(path), JSON.stringify(dirname(path))];
      const { code } = esbuild.transformSync(source, {
        loader,
        tsconfigRaw: {},
        define: {
          ...{ __filename: file, __dirname: directory, 'import.meta.filename': file, 'import.meta.dirname': directory },
          'import.meta.url': JSON.stringify(pathToFileURL(path).href),
        },
      });
      if (/\bimport\.meta\b/.test(code)) throw new Plain(`${path} uses import.meta beyond its path`);
      return { contents: code, loader: 'js' };
    });
  },
});

/** Refuses files that bundling would run by other rules, or could not find where they look themselves. @throws Plain */
export function check({ inputs, outputs }) {
  for (const [path, { format, imports }] of Object.entries(inputs)) {
    // One module is strict as a whole.
    if (format === 'cjs' && extname(path) !== '.json' && !strict(readFileSync(path, 'utf8')))
      throw new Plain(`${path} is not in strict mode`);
    for (const { path: name, external, kind } of imports)
      if (external && loaders.test(name)) throw new Plain(`${path} loads code by ${name} (${kind})`);
  }
  for (const { imports } of Object.values(outputs))
    for (const { path: name, kind } of imports)
      if (loaders.test(name)) throw new Plain(`it loads code by ${name} (${kind})`);
}

function strict(source) {
  return /^(\s|#!.*\n|\/\/.*\n|\/\*[\s\S]*?\*\/)*(['"])use strict\2/.test(source);
}
