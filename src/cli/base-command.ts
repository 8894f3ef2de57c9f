import { join } from 'node:path';
import { Command, type Interfaces } from '@oclif/core';
import { asVgrError } from '../core/error.js';
import type { Terminal } from '../core/terminal.js';
import { configNotes, variableNotes, withConfigFile, withHome } from './config-file.js';
import { commonFlags } from './flags.js';
import { SignalInterruption } from './interruption.js';
import { StreamPrinter } from './printer.js';
import { showProgress } from './progress.js';
import { usageError } from './usage-error.js';

type FlagsOf<T extends typeof Command> = Interfaces.InferredFlags<
  (typeof VgrCommand)['baseFlags'] & T['flags']
>;
type ArgsOf<T extends typeof Command> = Interfaces.InferredArgs<T['args']>;

/**
 * What all commands share: configuration from file, environment and flags; one printer; one place where an error becomes a
 * message and an exit code. 0 all done, 1 some items failed, 2 usage, 3 could not run, 130 and 143 interrupted.
 */
export abstract class VgrCommand<T extends typeof Command> extends Command {
  static override baseFlags = commonFlags;

  protected flags!: FlagsOf<T>;
  protected args!: ArgsOf<T>;
  /** Arguments without a flag, in order. */
  protected positional: string[] = [];
  protected printer = new StreamPrinter({ quiet: false });
  protected interruption!: SignalInterruption;
  #showsProgress = false;

  /** Does the work. @returns the exit code */
  protected abstract work(): Promise<number>;

  override async run(): Promise<void> {
    this.interruption = new SignalInterruption((text) => this.printer.important(text));
    try {
      await this.#readInput();
      const code = await this.work();
      await this.printer.flush();
      if (this.interruption.stdoutError) throw this.interruption.stdoutError;
      process.exitCode = code;
    } catch (thrown) {
      process.exitCode = await this.#fail(thrown);
    } finally {
      this.interruption.close();
    }
    if (this.interruption.exitCode !== undefined) process.exitCode = this.interruption.exitCode;
  }

  async #readInput(): Promise<void> {
    const { flags, baseFlags, args, strict } = this.ctor;
    // oclif warns of commands that end unparsed; a usage error ends this one before its parser has.
    this.parsed = true;
    const flagsOfAll = this.config.commands.flatMap((each) => Object.entries(each.flags));
    const every = new Set(flagsOfAll.flatMap(([name, { aliases }]) => [name, ...(aliases ?? [])]));
    const configured = await withConfigFile(
      this.argv,
      { ...flags, ...baseFlags },
      { everyFlag: every, ownFile: join(this.config.configDir, 'config.json') },
    );
    const input = await this.parse({ flags, baseFlags, args, strict }, [...configured.argv]);
    this.flags = withHome(input.flags) as FlagsOf<T>;
    this.args = input.args as ArgsOf<T>;
    this.positional = input.argv as string[];
    const { quiet, 'no-progress': noProgress } = input.flags;
    this.printer = new StreamPrinter({ quiet });
    this.#showsProgress = !quiet && !noProgress;
    const variables = variableNotes(
      process.env,
      flagsOfAll.map(([, flag]) => flag),
    );
    for (const note of variables) this.printer.note(note);
    const { read, ignored } = configNotes(configured.files);
    if (read) this.printer.note(read);
    // Also with --quiet, which the file may set.
    if (ignored) this.printer.important(ignored);
  }

  /** The command line as the work of the command sees it. */
  protected get terminal(): Terminal {
    const { printer, interruption } = this;
    return {
      printer,
      interruption,
      showProgress: (options) =>
        showProgress(options, printer, {
          off: !this.#showsProgress,
          isEnding: () => interruption.exitCode !== undefined,
        }),
    };
  }

  async #fail(thrown: unknown): Promise<number> {
    if (this.interruption.pipeClosed) return 0;
    const error = isOclifError(thrown)
      ? usageError(thrown, this.config, this.id ?? '')
      : asVgrError(thrown);
    this.printer.live?.clear();
    this.printer.live = undefined;
    this.printer.fatal(error);
    // Not of its causes: a server's own words may hold the key that it was sent.
    this.printer.debug((thrown instanceof Error && thrown.stack) || String(thrown));
    // A thread that hangs in native code would keep the process.
    if (error.code === 'MODEL_HANGS' || error.code === 'MEMORY_SPENT') {
      const { exitAtOnce } = await import('./exit-at-once.js');
      exitAtOnce(error.exit);
    }
    return error.exit;
  }
}

function isOclifError(thrown: unknown): thrown is Error {
  return thrown instanceof Error && 'oclif' in thrown;
}
