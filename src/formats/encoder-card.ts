import { z } from 'zod';
import {
  about,
  CARD_NAME,
  checkPins,
  external,
  fileName,
  furtherFile,
  type Need,
  positiveInteger,
  rasterShape,
  rasterValues,
  source,
  text,
  weightsFile,
} from './card-parts.js';

/** Families of image-text encoders. */
export const ENCODER_FAMILIES = ['clip', 'siglip'] as const;
export type EncoderFamilyName = (typeof ENCODER_FAMILIES)[number];

/** What the image tower takes. */
const image = z.strictObject({
  name: text,
  type: z.literal('float32'),
  layout: z.enum(['nhwc', 'nchw']),
  /** A batch of 1 is what quantised graphs need, whose numbers depend on the whole batch. */
  ...rasterShape,
  /** As for detectors; `cover`: scaled until both sides are filled, what sticks out is cut off. */
  fit: z.enum(['stretch', 'letterbox', 'letterbox-centre', 'cover']),
  ...rasterValues,
  /** Output with the embedding, [batch, d]. */
  output: text,
});

const textTower = z.strictObject({
  /** The graph: one of the card's `files`, or `file` itself where one graph has both towers. */
  model: fileName,
  /** `tokenizer.json` of the Hugging Face tokenizers, one of `files`. */
  tokenizer: fileName,
  /** Input for the tokens, [batch, sequence]; `attention_mask` is fed where the graph has it. */
  input: text,
  /** Output with the embedding, [batch, d]. */
  output: text,
  /** Most tokens, the special ones among them. */
  length: positiveInteger,
  /** Whether every text is filled up to `length`; otherwise it has as many tokens as there are. */
  padded: z.boolean(),
  /** The token that fills. */
  pad: z.int().min(0),
  /** What stands around the words, which take the place of `{}`. */
  template: z.string().regex(/^[^{}]*\{\}[^{}]*$/),
});

/** An image-text encoder's `card.json`. `file`, `sha256` and `bytes` are those of the image tower. */
export const encoderCard = z
  .strictObject({
    schema: z.literal(1),
    kind: z.literal('encoder'),
    name: z.string().regex(CARD_NAME),
    family: z.enum(ENCODER_FAMILIES),
    title: text,
    ...about,
    ...weightsFile,
    /** No other file is taken for a model of this kind; the field is there for the type alone. */
    alternates: z.undefined().optional(),
    external: external.optional(),
    licence: text,
    citation: text,
    source,
    image,
    /** The text tower and the tokeniser. */
    files: z.array(furtherFile).min(1),
    text: textTower,
    /** `scale * cosine + bias` is the log-odds of a match; without a bias scores are only compared with each other. */
    match: z.strictObject({ scale: z.number().positive(), bias: z.number().nullable() }),
  })
  .superRefine((card, context) => {
    const need: Need = (path, message) => context.addIssue({ code: 'custom', path, message });
    checkPins(card, need);
    const names = card.files.map(({ file }) => file);
    if (!names.includes(card.text.tokenizer)) {
      need(['text', 'tokenizer'], 'the name of one of `files`');
    }
    if (![card.file, ...names].includes(card.text.model)) {
      need(['text', 'model'], 'the name of one of `files`, or `file`');
    }
    if (card.family === 'siglip' && card.match.bias === null) {
      need(['match', 'bias'], 'a number, as SigLIP is trained with one');
    }
  });

export type EncoderCard = Readonly<z.output<typeof encoderCard>>;
