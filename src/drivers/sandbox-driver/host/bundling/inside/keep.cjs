// Loaded before a server that is only started for what V8 compiles: writes that when told to end.
'use strict';
const { flushCompileCache } = require('node:module');

process.once('SIGUSR2', () => {
  flushCompileCache();
  process.exit();
});
