import { Command, loadHelpClass } from '@oclif/core';

/** Takes its words as they are: `--vlm` is no flag of its own, and `-h` is a length. */
export default class HelpCommand extends Command {
  static override summary = 'Shows help for a command.';
  static override examples = [
    '<%= config.bin %> help refine',
    '<%= config.bin %> help refine --vlm',
  ];
  static override strict = false;

  override async run(): Promise<void> {
    this.parsed = true;
    const Help = await loadHelpClass(this.config);
    await new Help(this.config).showHelp(this.argv);
  }
}
