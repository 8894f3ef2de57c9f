#!/usr/bin/env node
const { accessSync, constants, existsSync } = require('node:fs');
const { availableParallelism, homedir, userInfo } = require('node:os');
const { dirname, isAbsolute, join } = require('node:path');

/** Ends a program that cannot run. Node.js ends with 1, which says that some items failed. */
function fail(error) {
  const debug = process.env.VGR_DEBUG && error?.stack;
  // What fails here, such as a missing module, is told in several lines with stacks.
  const text = debug || String(error?.message ?? error).split('\n', 1)[0];
  process.stderr.write(`error: ${text.replace(/[^\P{Cc}\n]/gu, '?')}\n`);
  if (!debug) process.stderr.write('\nhint: `VGR_DEBUG=1` shows where; is the program whole?\n');
  process.exit(3);
}

/**
 * What oclif asks for where it is loaded, and what a user that is no more than a number has not got: a shell, and a home folder. A
 * relative one would be whatever folder is at hand, and that of another user, such as /root, cannot be entered.
 */
function ensureUser() {
  const { env, platform } = process;
  const home = known(homedir) ?? '';
  if (!isAbsolute(home) || (known(existsSync, home) && !canEnter(home))) {
    env[platform === 'win32' ? 'USERPROFILE' : 'HOME'] = '/nonexistent';
  }
  if (platform !== 'win32' && known(userInfo) === undefined) env.SHELL ||= '/bin/sh';
}

function canEnter(folder) {
  return known(() => accessSync(folder, constants.X_OK) ?? true) === true;
}

/** What the system knows; undefined where it knows nothing. */
function known(ask, ...of) {
  try {
    return ask(...of);
  } catch {
    return undefined;
  }
}

/** Builds a clone at its first run: where install scripts are off, nothing else has. */
function ensureBuilt(root) {
  if (existsSync(join(root, 'dist/commands')) || !existsSync(join(root, 'scripts/build.mjs')))
    return;
  process.stderr.write('this clone is not built yet: building\n');
  const built = require('node:child_process').spawnSync(process.execPath, ['scripts/build.mjs'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  });
  if (built.status !== 0)
    throw new Error('the clone cannot be built: run `npm ci && npm run build`');
}

async function main() {
  ensureBuilt(dirname(__dirname));
  // Photos are decoded in libuv's thread pool, which has four threads unless this says otherwise before its first use. A
  // module that is imported is read through the pool, so the first file of the program is not one.
  process.env.UV_THREADPOOL_SIZE ??= String(Math.max(4, availableParallelism()));
  ensureUser();
  const { flush, handle, run } = await import('@oclif/core');
  try {
    await run(process.argv.slice(2), dirname(__dirname));
    await flush();
  } catch (error) {
    // Of a command that has ended, or of the command line; anything else kept the command from its work.
    if (error?.code !== 'EEXIT' && error?.oclif?.exit !== 2) throw error;
    await handle(error);
  }
}

process.on('uncaughtException', fail);
if (process.argv.length === 3 && ['--version', '-v'].includes(process.argv[2])) {
  // In the form of oclif, which takes four times as long to load as Node.js takes to start.
  const { name, version } = require('../package.json');
  console.log(`${name}/${version} ${process.platform}-${process.arch} node-${process.version}`);
} else {
  main().catch(fail);
}
