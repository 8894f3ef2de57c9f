import type { Hook } from '@oclif/core';
import { StreamPrinter } from './printer.js';
import { unknownCommand } from './usage-error.js';

/** What oclif calls where the first words name no command. */
const commandNotFound: Hook.CommandNotFound = async ({ id, config }) => {
  const error = unknownCommand(id, config);
  new StreamPrinter({ quiet: false }).fatal(error);
  process.exitCode = error.exit;
};

export default commandNotFound;
