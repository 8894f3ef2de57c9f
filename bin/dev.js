#!/usr/bin/env -S node --import tsx
const { dirname } = require('node:path');

import('@oclif/core').then(({ execute }) =>
  execute({ development: true, dir: dirname(__dirname) }),
);
