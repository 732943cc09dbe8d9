// Becomes the server: `node start.cjs ENTRY ARG…` is to the bundle what `node ENTRY ARG…` is to its files.
'use strict';
const { enableCompileCache } = require('node:module');
const { resolve } = require('node:path');

process.argv.splice(1, 2, resolve(process.argv[2]));
enableCompileCache(`${__dirname}/cache`);
import('./bundle.mjs');
