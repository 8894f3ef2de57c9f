import { z } from 'zod';
import { CARD_NAME, fileName, fraction, positiveInteger, sha256, text } from './card-parts.js';
import { ENCODER_FAMILIES } from './encoder-card.js';

const count = z.int().min(0);
const rate = fraction.nullable();

/** What one policy reaches on lines that it was not fitted to. Rates over nothing are null. */
const reached = z.strictObject({
  accuracy: rate,
  mean_iou: rate,
  /** Of the queries that the tool has wrong, the share that is answered right. */
  ccr: rate,
  /** Of the queries that the tool has right, the share that is answered wrong. */
  lost: rate,
});

/** What decides an encoder's embeddings. */
const encoder = z.strictObject({
  family: z.enum(ENCODER_FAMILIES),
  name: z.string().regex(CARD_NAME),
  image_sha256: sha256,
  text_sha256: sha256,
  tokenizer_sha256: sha256,
  /** Of all else in the encoder's card that decides an embedding. */
  rules_sha256: sha256,
});

/** A refiner's `card.json`: where its numbers come from, and what they were fitted on. */
export const refinerCard = z.strictObject({
  schema: z.literal(1),
  kind: z.literal('refiner'),
  name: fileName,
  title: text,
  /** See {@link refinerNumbers}. */
  file: z.literal('refiner.json'),
  sha256,
  bytes: positiveInteger,
  licence: text,
  citation: text,
  source: z.strictObject({ added: text }),
  /** No other file is read of a model of this kind; the fields are there for the type alone. */
  alternates: z.undefined().optional(),
  variant: z.undefined().optional(),
  external: z.undefined().optional(),
  /** The detectors whose boxes it weighs against each other, the tool first; absent where it was fitted to one. */
  detectors: z.array(text).min(2).optional(),
  /** The image-text encoder whose matches it reads; absent where it reads none. */
  encoder: encoder.optional(),
  training: z.strictObject({
    command: text,
    /** Of all numbers that were learned from. */
    data_sha256: sha256,
    /** Lines that were fitted to: with a photo, without one, and such that nothing fits or several things do. */
    photos: count,
    tools: count,
    absent: count,
    sets: count,
    settings: z.record(z.string(), z.json()),
  }),
  /** Null where nothing was held out. */
  validation: z
    .strictObject({ queries: count, tool: reached, start: reached, fitted: reached })
    .nullable(),
});

export type RefinerCard = Readonly<z.output<typeof refinerCard>>;
export type RefinerReached = Readonly<z.output<typeof reached>>;
/** The encoder as a refiner's card tells it. */
export type EncoderFingerprint = z.output<typeof encoder>;

const weights = z.record(z.string(), z.number());

/** `refiner.json`: every number of a refiner, by the names of `src/refine/columns.ts` and `decision.ts`. */
export const refinerNumbers = z.strictObject({
  schema: z.literal(1),
  /** Version of the columns that the names belong to. */
  columns: text,
  tools: z.array(text),
  boxes: weights,
  none: weights,
  threshold: z.number().min(0.5).max(1),
  score: weights,
  members: weights,
});
