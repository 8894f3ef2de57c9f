import type { Hook } from '@oclif/core';
import { Printer } from './printer.js';
import { unknownCommand } from './usage-fault.js';

/** What oclif calls where the first words name no command. */
const commandNotFound: Hook.CommandNotFound = async ({ id, config }) => {
  const fault = unknownCommand(id, config);
  new Printer({ quiet: false }).fatal(fault);
  process.exitCode = fault.exit;
};

export default commandNotFound;
