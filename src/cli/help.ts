import { Errors, Help } from '@oclif/core';
import { Printer } from './printer.js';
import { unknownCommand } from './usage-fault.js';

/** oclif's help; words that name no command get the message that they get as a command. */
export default class VgrHelp extends Help {
  override async showHelp(argv: string[]): Promise<void> {
    try {
      await super.showHelp(argv);
    } catch (error) {
      if (!(error instanceof Errors.CLIError)) {
        throw error;
      }
      const words = argv.filter((word) => !word.startsWith('-'));
      const fault = unknownCommand(words.join(':'), this.config);
      new Printer({ quiet: false }).fatal(fault);
      process.exitCode = fault.exit;
    }
  }
}
