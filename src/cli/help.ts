import { Errors, Help } from '@oclif/core';
import { StreamPrinter } from './printer.js';
import { unknownCommand } from './usage-error.js';

/** oclif's help; words that name no command get the message that they get as a command. */
export default class VgrHelp extends Help {
  override async showHelp(argv: string[]): Promise<void> {
    try {
      await super.showHelp(argv);
    } catch (thrown) {
      if (!(thrown instanceof Errors.CLIError)) {
        throw thrown;
      }
      const words = argv.filter((word) => !word.startsWith('-'));
      const error = unknownCommand(words.join(':'), this.config);
      new StreamPrinter({ quiet: false }).fatal(error);
      process.exitCode = error.exit;
    }
  }
}
