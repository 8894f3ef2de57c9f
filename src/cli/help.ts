import { type Command, Errors, Help } from '@oclif/core';
import { fitted } from '../core/text.js';
import { StreamPrinter } from './printer.js';
import { unknownCommand } from './usage-error.js';

type Flag = Command.Flag.Any;

/** The flags that `-h` shows, in this order. Commands that are not here show all their own, up to {@link MAX_SHORT}. */
const SHORT: Readonly<Record<string, string>> = {
  refine: `query queries photos output visualize show detector refiner device min-confidence format limit`,
  detect: `photos output visualize show detector classes min-score device format limit sessions`,
  'train-lite': `queries val val-share annotations output init tool detector epochs device`,
  eval: `queries results compare tool answer report all json fail-under iou coco-gt coco-dt`,
};
const MAX_SHORT = 12;
const MAX_EXAMPLES = 3;
/** Columns that a flag's name takes before its words. */
const LABEL = 24;
const COLUMNS = 80;
/** The large refiner's section, of which only these are shown with the others. */
const LARGE = 'LARGE REFINER';
const SHOWN_LARGE = new Set(['vlm-url', 'vlm-model', 'vlm-share', 'max-requests']);

/** `-o, --output=DIR`, with the name that people should use where a flag has an older one. */
function labelOf(name: string, flag: Flag): string {
  const shown =
    flag.helpLabel ?? `--${flag.type === 'boolean' && flag.allowNo ? '[no-]' : ''}${name}`;
  const char = flag.char ? `-${flag.char}, ` : '    ';
  if (flag.type === 'boolean') return char + shown;
  const options = flag.options?.join('|');
  const isShort = options !== undefined && options.length < 24;
  const value = isShort ? options : (flag.helpValue ?? (options ? 'NAME' : 'N'));
  return `${char}${shown}=${value}`;
}

function textOf(flag: Flag): string {
  const { type, required, summary = flag.description ?? '' } = flag;
  const isKnown = type === 'option' && flag.default !== undefined && `${flag.default}` !== '';
  const standard = isKnown && !summary.includes('[default') ? ` [default: ${flag.default}]` : '';
  // Its placeholder has the range.
  return `${required ? '(required) ' : ''}${summary.replace(', 0 to 1', '')}${standard}`;
}

/** A flag's lines: its name, and its words beside it. */
function row(label: string, text: string): string[] {
  const [first = '', ...rest] = wrapped(text, LABEL + 2, Math.max(LABEL, label.length + 2) + 2);
  const blank = ' '.repeat(LABEL + 2);
  return [firstLine(label, first), ...rest.map((line) => blank + line)];
}

function firstLine(label: string, text: string): string {
  return `  ${label.length < LABEL ? label.padEnd(LABEL) : `${label}  `}${text}`;
}

/** Lines of a width that leaves so many columns free, the first one maybe more. */
function wrapped(text: string, free: number, freeFirst = free): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const room = COLUMNS - (lines.length === 0 ? freeFirst : free);
    if (line !== '' && line.length + 1 + word.length > room) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}

/** oclif's help in two lengths: `-h` fits the screen, `--help` has everything. */
export default class VgrHelp extends Help {
  #isShort = false;
  #isLarge = false;

  override async showHelp(argv: string[]): Promise<void> {
    const words = argv.filter((word) => !word.startsWith('-'));
    this.#isShort = argv.includes('-h');
    this.#isLarge = argv.includes('--vlm');
    try {
      await super.showHelp(argv.filter((word) => word !== '--vlm'));
    } catch (thrown) {
      if (!(thrown instanceof Errors.CLIError)) {
        throw thrown;
      }
      const error = unknownCommand(words.join(':'), this.config);
      new StreamPrinter({ quiet: false }).fatal(error);
      process.exitCode = error.exit;
    }
  }

  protected override formatCommand(command: Command.Loadable): string {
    return this.#isShort ? this.#shortHelp(command) : this.#wholeHelp(command);
  }

  #wholeHelp(command: Command.Loadable): string {
    const id = command.id.replaceAll(':', ' ');
    const sections = new Map<string, string[]>();
    for (const [name, flag] of Object.entries(command.flags ?? {})) {
      const title = flag.helpGroup ?? 'FLAGS';
      const isLarge = title === LARGE;
      if (this.#isLarge ? !isLarge : isLarge && !SHOWN_LARGE.has(name)) continue;
      const rows = sections.get(title) ?? [];
      sections.set(title, [...rows, ...row(labelOf(name, flag), textOf(flag))]);
    }
    const flags = [...sections].map(([title, rows]) => [title, ...rows].join('\n'));
    if (this.#isLarge) {
      return `${flags.join('\n\n')}\n\nIn a configuration file: {"vlm": {"url": "http://localhost:8000/v1", "rpm": 60}}`;
    }
    const more = sections.has(LARGE) ? `\`${this.config.bin} help ${id} --vlm\` lists more. ` : '';
    const args = Object.values(command.args ?? {}).flatMap(({ name, description }) =>
      row(`    ${name.toUpperCase()}`, description ?? ''),
    );
    return [
      ['EXAMPLES', ...this.#examples(command)].join('\n'),
      ...(args.length > 0 ? [['ARGUMENTS', ...args].join('\n')] : []),
      ...flags,
      wrapped(
        `${more}VGR_MIN_SCORE sets --min-score, and so on; in a configuration file it is "min-score".`,
        0,
      ).join('\n'),
      ...(command.description
        ? [
            this.render(command.description)
              .split('\n')
              .flatMap((text) => wrapped(text, 0))
              .join('\n'),
          ]
        : []),
    ].join('\n\n');
  }

  #examples({ examples = [] }: Command.Loadable): string[] {
    const texts = typeof examples === 'string' ? [examples] : examples;
    return texts.flatMap((each) => (typeof each === 'string' ? [`  ${this.render(each)}`] : []));
  }

  #shortHelp(command: Command.Loadable): string {
    const id = command.id.replaceAll(':', ' ');
    const flags = command.flags ?? {};
    const own = Object.keys(flags).filter((name) => flags[name]!.helpGroup !== 'GLOBAL');
    const names = SHORT[id]?.split(' ') ?? own.slice(0, MAX_SHORT);
    const columns = Math.min(process.stdout.columns || 80, 100);
    const rows = names
      .filter((name) => Object.hasOwn(flags, name))
      .map((name) => {
        const text = textOf(flags[name]!).split(/; | \[default: (?=[^\]]{20})/)[0]!;
        return fitted(firstLine(labelOf(name, flags[name]!), text), columns - 1);
      });
    return [
      ...this.#examples(command)
        .slice(0, MAX_EXAMPLES)
        .map((line) => fitted(line, columns - 1)),
      ...(rows.length > 0 ? ['', ...rows] : []),
      '',
      `${this.config.bin} ${id} --help has all flags and fields.`,
    ].join('\n');
  }
}
