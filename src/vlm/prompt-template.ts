import { Environment, Interpreter, parse, tokenize } from '@huggingface/jinja';
import { printable, quoted, VgrError } from '../core/error.js';
import type { PromptWriter } from './prompt.js';

/** Most work of one prompt: each step counts 1, and each character or entry of its value. */
const MAX_WORK = 1_000_000;
/** Numbers of one `range`. */
const MAX_RANGE = 10_000;

/** The interpreter as it is used here; the package's own types lead to files that it does not name. */
interface Renderer {
  run(program: unknown): { readonly value: unknown };
  evaluate(statement: unknown, environment: unknown): { readonly value: unknown };
}
const JinjaInterpreter = Interpreter as unknown as new (environment: Environment) => Renderer;

/**
 * A prompt from a Jinja template, rendered as Jinja itself does by default: lines of blocks keep their ends. It is given
 * `content`, the normalised expression, and `tools`, what the tools found as the text of the `<tool>` block where it is given in
 * the first turn (PiTER), else an empty string; `width` and `height` of the picture, pixels.
 * @param source name of the file, for messages
 * @throws VgrError CONFIG_INVALID where the text is no template, does not use `content`, or does not end
 */
export function templatePrompt(text: string, source: string): PromptWriter {
  const program = attempt(source, () => parse(tokenize(text.replace(/\r\n?/g, '\n').trim())));
  const write: PromptWriter = ({ query, picture, tools = '' }) =>
    attempt(source, () => rendered(program, { content: query, tools, ...picture }));
  const facts = { picture: { width: 1, height: 1 }, grid: { step: 1, minPixels: 1, maxPixels: 1 } };
  if (write({ ...facts, query: 'the left lion' }) === write({ ...facts, query: 'a red hat' })) {
    throw new VgrError(
      'CONFIG_INVALID',
      `${quoted(source)}: expected a template that uses \`content\`, got one that does not`,
      { hint: 'write the expression as {{ content }}' },
    );
  }
  return write;
}

/** @throws Error of the template */
function rendered(
  program: ReturnType<typeof parse>,
  variables: Readonly<Record<string, unknown>>,
): string {
  const environment = new Environment();
  for (const [name, value] of Object.entries({ ...GLOBALS, ...variables })) {
    environment.set(name, value);
  }
  return String(new BoundedInterpreter(environment).run(program).value);
}

/** Names that every template knows. No clock is among them: the same query is asked in the same words. */
const GLOBALS: Readonly<Record<string, unknown>> = {
  true: true,
  True: true,
  false: false,
  False: false,
  none: null,
  None: null,
  range: boundedRange,
  raise_exception: (message: string) => {
    throw new Error(message);
  },
};

/** As Python's `range`. @throws Error where it is too long */
function boundedRange(first: number, end?: number, step = 1): number[] {
  const [start, stop] = end === undefined ? [0, first] : [first, end];
  const count = Math.max(0, Math.ceil((stop - start) / step));
  if (!(count <= MAX_RANGE)) throw new Error(`a range of more than ${MAX_RANGE} numbers`);
  return Array.from({ length: count }, (_, index) => start + index * step);
}

/** Stops a template that does not end: no signal reaches a process that renders. */
class BoundedInterpreter extends JinjaInterpreter {
  #work = 0;

  override evaluate(statement: unknown, environment: unknown): { readonly value: unknown } {
    const result = super.evaluate(statement, environment);
    const { value } = result;
    this.#work += 1 + (typeof value === 'string' || Array.isArray(value) ? value.length : 0);
    if (this.#work > MAX_WORK) throw new Error('it does not end, or makes far too long a prompt');
    return result;
  }
}

function attempt<Result>(source: string, action: () => Result): Result {
  try {
    return action();
  } catch (cause) {
    const words = printable((cause as Error).message).slice(0, 200);
    throw new VgrError('CONFIG_INVALID', `${quoted(source)}: expected a Jinja template: ${words}`, {
      cause,
    });
  }
}
