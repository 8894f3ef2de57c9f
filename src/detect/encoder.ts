import type { EncoderCard } from '../formats/encoder-card.js';
import type { TensorPort } from '../formats/onnx.js';
import {
  type Disagreement,
  type GraphSignature,
  imageDisagreements,
  portText,
} from './signature.js';

/** Input beside the tokens that tells words from padding. */
export const MASK_INPUT = 'attention_mask';

/** Where an encoder's card differs from the graph of a tower; empty where all fits. */
export function encoderDisagreements(
  { file, image, text }: EncoderCard,
  tower: 'image' | 'text',
  graph: GraphSignature,
): Disagreement[] {
  const found: Disagreement[] = [];
  const names = (ports: GraphSignature['inputs']) => ports.map(portText).join('; ') || 'none';
  const isWhole = text.model === file;
  const known: string[] = [];
  if (tower === 'image' || isWhole) known.push(image.name);
  if (tower === 'text' || isWhole) known.push(text.input, MASK_INPUT);
  const [field, wanted, output] =
    tower === 'image'
      ? ['image.name', image.name, image.output]
      : ['text.input', text.input, text.output];
  const port = graph.inputs.find(({ name }) => name === wanted);
  if (port === undefined) found.push({ field, graph: names(graph.inputs), card: wanted });
  else if (tower === 'image') found.push(...imageDisagreements('image', image, port));
  else found.push(...textDisagreements(text, port));
  for (const other of graph.inputs) {
    if (known.includes(other.name)) continue;
    found.push({ field: `${tower}.input`, graph: portText(other), card: 'nothing for it' });
  }
  if (!graph.outputs.some(({ name }) => name === output)) {
    found.push({ field: `${tower}.output`, graph: names(graph.outputs), card: output });
  }
  return found;
}

function textDisagreements(text: EncoderCard['text'], port: TensorPort): Disagreement[] {
  const found: Disagreement[] = [];
  if (port.type !== 'int64' && port.type !== 'int32') {
    const card = `${text.input} int64 or int32`;
    found.push({ field: 'text.input', graph: portText(port), card });
  }
  const length = port.dims[1];
  const isFixed = typeof length === 'number' && length > 0;
  if (isFixed && (!text.padded || length !== text.length)) {
    const card = `${text.length}, padded: ${text.padded}`;
    found.push({ field: 'text.length', graph: `${length} tokens, always`, card });
  }
  return found;
}

/** How a text tower takes its tokens. */
type TokenRules = Pick<EncoderCard['text'], 'length' | 'padded' | 'pad'>;

/** Tokens as they go in, and which of them are words: 1, or 0 for padding. */
export interface TextTokens {
  readonly ids: readonly number[];
  readonly mask: readonly number[];
}

/**
 * Cuts and fills tokens up. What is too long loses tokens before the last one, which ends the text and is where CLIP reads
 * the meaning.
 * @param ids with the special tokens, at least one
 */
export function fitTokens(ids: readonly number[], { length, padded, pad }: TokenRules): TextTokens {
  const kept = ids.length <= length ? ids : [...ids.slice(0, length - 1), ids.at(-1)!];
  const filler = padded ? length - kept.length : 0;
  return {
    ids: [...kept, ...new Array<number>(filler).fill(pad)],
    mask: [...new Array<number>(kept.length).fill(1), ...new Array<number>(filler).fill(0)],
  };
}
