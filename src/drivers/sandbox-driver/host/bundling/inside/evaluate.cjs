// The head of a script that node makes a start-up snapshot of (`node --build-snapshot`; node:v8, startupSnapshot).
// What runs before the snapshot is taken is the same for all starts, so it must not see what is each start's own: no
// randomness, no clock, no process, no streams, no file but the server's. Who asks for what of that is noted in AGAINST, as
// JSON, and then there is no snapshot. With the snapshot taken all is as node made it.
//   node --snapshot-blob BLOB --build-snapshot SCRIPT AGAINST ENTRY ARG…
'use strict';
const fs = require('node:fs');
const path = require('node:path');
const { startupSnapshot } = require('node:v8');

/** What is being evaluated, and what each asked for. */
let evaluated;
const against = new Map();
const undo = [];
let taken = false;
const own = { configurable: true, enumerable: true, writable: true };

/** Of node's modules, those that node vouches for in snapshots (its lib/internal/main/mksnapshot.js) and that hold no handle. */
const fit = new Set(
  `assert assert/strict buffer console constants crypto diagnostics_channel events fs fs/promises os path path/posix
  path/win32 process punycode querystring stream stream/promises string_decoder timers timers/promises url util
  util/types v8 zlib`.split(/\s+/),
);

function note(what) {
  if (taken) return;
  if (!against.has(evaluated)) against.set(evaluated, new Set());
  against.get(evaluated).add(what);
}

/** Replaces a property until the snapshot is taken, unless whoever runs has replaced it by then. */
function replace(object, name, descriptor) {
  const before = Object.getOwnPropertyDescriptor(object, name);
  Object.defineProperty(object, name, { configurable: true, ...descriptor });
  const set = Object.getOwnPropertyDescriptor(object, name);
  undo.push(() => {
    const now = Object.getOwnPropertyDescriptor(object, name);
    if (now?.value !== set.value || now?.get !== set.get) return;
    if (before === undefined) delete object[name];
    else Object.defineProperty(object, name, before);
  });
}

/** Who keeps the function from before the snapshot keeps one that does as the original does. */
function watched(original, said) {
  return new Proxy(original, {
    apply: (target, self, args) => {
      const what = said(args);
      if (what) note(what);
      return Reflect.apply(target, self, args);
    },
    construct: (target, args, as) => {
      const what = said(args);
      if (what) note(what);
      return Reflect.construct(target, args, as);
    },
  });
}

function watch(object, names, said = (name) => name) {
  for (const name of names) {
    if (typeof object[name] !== 'function') continue;
    const value = watched(object[name], (args) => said(name, args));
    replace(object, name, { value, writable: true, enumerable: Object.propertyIsEnumerable.call(object, name) });
  }
}

function watchGetter(object, name) {
  const { get, value } = Object.getOwnPropertyDescriptor(object, name);
  replace(object, name, {
    enumerable: true,
    get() {
      note(`process.${name}`);
      return get ? get.call(this) : value;
    },
  });
}

const functionsOf = (object) => Object.keys(object).filter((name) => /^[a-z]/.test(name));

/** The server's files are the same at each start; what else there is, is not. */
function foreign(name, [file]) {
  if (typeof file === 'number') return undefined;
  const at = file instanceof URL ? file.pathname : String(file);
  return path.resolve(at).startsWith('/srv/') && !/open|stream|write|append|mkdtemp|watch/i.test(name)
    ? undefined
    : `fs.${name}`;
}

function restrict() {
  replace(globalThis, 'crypto', { ...own, value: webCrypto });
  watch(Object.getPrototypeOf(webCrypto.subtle), ['generateKey']);
  watch(Math, ['random'], () => 'Math.random');
  watch(globalThis, ['Date'], (_, args) => (args.length === 0 ? 'the clock' : undefined));
  watch(Date, ['now'], () => 'the clock');
  watch(performance, ['now', 'mark', 'measure', 'toJSON'], () => 'the clock');
  replace(performance, 'timeOrigin', { get: () => note('the clock') });
  watch(globalThis, ['setTimeout', 'setInterval', 'setImmediate', 'fetch'], (name) => `${name}()`);
  watch(require('node:timers'), ['setTimeout', 'setInterval', 'setImmediate'], (name) => `${name}()`);
  watch(require('node:timers/promises'), ['setTimeout', 'setInterval', 'setImmediate'], (name) => `${name}()`);
  // It is there only from the start on.
  replace(globalThis, 'WebAssembly', { get: () => note('WebAssembly') });
  watch(fs, functionsOf(fs), foreign);
  watch(fs.promises, functionsOf(fs.promises), foreign);
  watch(require('node:os'), ['freemem', 'loadavg', 'networkInterfaces', 'uptime']);
  watch(
    process,
    `hrtime uptime cpuUsage memoryUsage resourceUsage chdir umask kill binding dlopen on once addListener
    prependListener`.split(/\s+/),
    (name) => `process.${name}`,
  );
  for (const name of ['pid', 'ppid', 'stdin', 'stdout', 'stderr']) watchGetter(process, name);
  replace(process, 'getBuiltinModule', { ...own, value: $node });
  replace(process, 'env', { ...own, value: variables(process.env) });
}

const original = globalThis.crypto;

/** Its functions want the one original as `this`, and cannot be replaced in it. */
const webCrypto = new Proxy(
  {},
  {
    get: (_, name) => {
      const value = original[name];
      return typeof value === 'function' ? watched(value.bind(original), () => `crypto.${name}`) : value;
    },
    has: (_, name) => name in original,
    getPrototypeOf: () => Object.getPrototypeOf(original),
  },
);

/** Node's module with all that draws watched; it has properties that cannot be replaced. */
const cryptoModule = (() => {
  const module = require('node:crypto');
  const properties = Object.getOwnPropertyDescriptors(module);
  for (const name of Object.keys(properties))
    if (/random|rng|generate(Key|Prime)|create(Diffie|ECDH)|getDiffie/i.test(name))
      properties[name] = { ...own, value: watched(module[name], () => `crypto.${name}`) };
  properties.webcrypto = { ...own, value: webCrypto };
  return Object.defineProperties({}, properties);
})();

/** A way out sets variables, and may be declared later on: whoever looks for one of those, or for all, sees another start's. */
function variables(env) {
  const ofWayOut = /^(https?_proxy|all_proxy|no_proxy|ssl_cert_file|.*_ca_bundle|node_(?!env$).*)$/i;
  const noted = (operation) => (target, name, value) => {
    if (operation === Reflect.ownKeys) note('all of process.env');
    else if (operation === Reflect.set) note(`process.env.${String(name)} =`);
    else if (typeof name === 'string' && ofWayOut.test(name)) note(`process.env.${name}`);
    return operation(target, name, value);
  };
  const { get, has, ownKeys, set } = Reflect;
  // An inherited function of `process.env` is not asked for by its receiver.
  return new Proxy(env, {
    get: noted((target, name) => get(target, name)),
    has: noted(has),
    ownKeys: noted(ownKeys),
    set: noted(set),
  });
}

function $node(name) {
  if (!taken && !fit.has(name.replace(/^node:/, ''))) note(`node's module ${name}`);
  return /^(node:)?crypto$/.test(name) ? cryptoModule : require(name);
}

/** Ends the script: `parts` is the server's code, as two-parts.mjs makes it. */
function run(parts) {
  const [, , notes, entry] = process.argv;
  process.argv.splice(1, 3, path.resolve(entry));
  process.execArgv = [];
  restrict();
  const module = { exports: {} };
  parts(module, module.exports, $node, $node);
  const { first, start } = module.exports;
  const all = (async () => {
    for (const [name, load] of first) {
      evaluated = name;
      await load();
    }
    evaluated = undefined;
  })();
  startupSnapshot.addSerializeCallback(() => {
    if (evaluated !== undefined) note('something that does not come');
    taken = true;
    for (const one of undo.reverse()) one();
    if (against.size === 0) return;
    fs.writeFileSync(notes, JSON.stringify([...against].map(([name, asked]) => [name, [...asked].join(', ')])));
    process.exit(1);
  });
  startupSnapshot.setDeserializeMainFunction(() => {
    process.argv[1] = path.resolve(process.argv[1]);
    process.execArgv = [];
    return start();
  });
  return all;
}

// biome-ignore lint/correctness/noUnusedFunctionParameters: the code that comes here uses them
run((module, exports, require, $node) => {
  /* PARTS */
});
