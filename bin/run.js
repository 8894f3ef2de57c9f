#!/usr/bin/env node
const { availableParallelism } = require('node:os');
const { dirname } = require('node:path');

if (process.argv.length === 3 && ['--version', '-v'].includes(process.argv[2])) {
  // In the form of oclif, which takes four times as long to load as Node.js takes to start.
  const { name, version } = require('../package.json');
  console.log(`${name}/${version} ${process.platform}-${process.arch} node-${process.version}`);
} else {
  // Photos are decoded in libuv's thread pool, which has four threads unless this says otherwise before its first use. A
  // module that is imported is read through the pool, so the first file of the program is not one.
  process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, availableParallelism()));

  import('@oclif/core').then(({ execute }) => execute({ dir: dirname(__dirname) }));
}
