import type { EncoderCard } from '../formats/encoder-card.js';
import { type Disagreement, type GraphSignature, portText } from './signature.js';

/** Input beside the tokens that tells words from padding. */
export const MASK_INPUT = 'attention_mask';

/** Where an encoder's card says something of a tower that its graph does not bear out; empty where all fits. */
export function encoderDisagreements(
  { file, image, text }: EncoderCard,
  tower: 'image' | 'text',
  graph: GraphSignature,
): Disagreement[] {
  const found: Disagreement[] = [];
  const differ: Differ = (field, got, card) => found.push({ field, graph: got, card });
  const names = (ports: GraphSignature['inputs']) => ports.map(portText).join('; ') || 'none';
  const isWhole = text.model === file;
  const known: string[] = [];
  if (tower === 'image' || isWhole) known.push(image.name);
  if (tower === 'text' || isWhole) known.push(text.input, MASK_INPUT);
  const wanted = tower === 'image' ? image.name : text.input;
  const port = graph.inputs.find(({ name }) => name === wanted);
  if (port === undefined) {
    differ(tower === 'image' ? 'image.name' : 'text.input', names(graph.inputs), wanted);
  } else if (tower === 'image') checkImage(port, image, differ);
  else checkText(port, text, differ);
  for (const other of graph.inputs) {
    if (!known.includes(other.name)) differ(`${tower}.input`, portText(other), 'nothing for it');
  }
  const { output } = tower === 'image' ? image : text;
  if (!graph.outputs.some(({ name }) => name === output)) {
    differ(`${tower}.output`, names(graph.outputs), output);
  }
  return found;
}

type Differ = (field: string, graph: string, card: string) => void;
type Port = GraphSignature['inputs'][number];

function checkImage(port: Port, image: EncoderCard['image'], differ: Differ): void {
  if (port.type !== image.type) differ('image.type', port.type, image.type);
  const { width, height, layout, batch } = image;
  const sides = layout === 'nchw' ? [3, height, width] : [height, width, 3];
  const [crops, ...rest] = port.dims;
  const fits =
    rest.length === 3 && sides.every((size, axis) => !isFixed(rest[axis]) || rest[axis] === size);
  if (!fits) {
    differ('image', `[${port.dims.join(',')}]`, `[${batch},${sides.join(',')}] (${layout})`);
  }
  if (isFixed(crops) && (batch === 'any' || crops !== 1)) {
    differ('image.batch', `${crops} crops a run`, String(batch));
  }
}

function checkText(port: Port, text: EncoderCard['text'], differ: Differ): void {
  if (port.type !== 'int64' && port.type !== 'int32') {
    differ('text.input', portText(port), `${text.input} int64 or int32`);
  }
  const length = port.dims[1];
  if (isFixed(length) && (!text.padded || length !== text.length)) {
    differ('text.length', `${length} tokens, always`, `${text.length}, padded: ${text.padded}`);
  }
}

/** Sizes that are names, or negative, are known at run time only. */
function isFixed(dim: number | string | undefined): dim is number {
  return typeof dim === 'number' && dim > 0;
}

/**
 * Cuts and fills tokens up. What is too long loses tokens before the last one, which ends the text and is where CLIP reads
 * the meaning.
 * @param ids with the special tokens, at least one
 * @returns the tokens as they go in, and which of them are words: 1, or 0 for padding
 */
export function fitTokens(
  ids: readonly number[],
  { length, padded, pad }: Pick<EncoderCard['text'], 'length' | 'padded' | 'pad'>,
) {
  const kept = ids.length <= length ? ids : [...ids.slice(0, length - 1), ids.at(-1)!];
  const filler = padded ? length - kept.length : 0;
  return {
    ids: [...kept, ...new Array<number>(filler).fill(pad)],
    mask: [...new Array<number>(kept.length).fill(1), ...new Array<number>(filler).fill(0)],
  };
}
