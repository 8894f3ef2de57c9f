#!/usr/bin/env node
const { availableParallelism } = require('node:os');
const { dirname } = require('node:path');

// Photos are decoded in libuv's thread pool, which has four threads unless this says otherwise before its first use. A module
// that is imported is read through the pool, so the first file of the program is not one.
process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, availableParallelism()));

import('@oclif/core').then(({ execute }) => execute({ dir: dirname(__dirname) }));
