import { Template } from '@huggingface/jinja';
import { printable, quoted, VgrError } from '../../formats/fault.js';
import type { PromptWriter } from './prompt.js';

/**
 * A prompt from a Jinja template. It is given `content`, the normalised expression, and `tools`, what the tools found as the
 * text of the `<tool>` block where it is told in the first turn (PiTER), else an empty string; `width` and `height` of the
 * picture, pixels.
 * @param source name of the file, for messages
 * @throws VgrError CONFIG_INVALID where the text is no template, or never says `content`
 */
export function templatePrompt(text: string, source: string): PromptWriter {
  const template = attempt(source, () => new Template(text.trim()));
  const render = (variables: Record<string, unknown>): string =>
    attempt(source, () => template.render(variables));
  const write: PromptWriter = ({ query, picture, tools = '' }) =>
    render({ content: query, tools, width: picture.width, height: picture.height });
  const grid = { step: 1, minPixels: 1, maxPixels: 1 };
  const mark = 'vgr probe';
  if (!write({ query: mark, picture: { width: 1, height: 1 }, grid }).includes(mark)) {
    throw new VgrError(
      'CONFIG_INVALID',
      `${quoted(source)}: expected a template that says \`content\`, got one that does not`,
      { hint: 'write the expression as {{ content }}' },
    );
  }
  return write;
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
