import { z } from 'zod';
import { sha256 } from './card-parts.js';
import { ENCODER_FAMILIES } from './encoder-card.js';

const text = z.string().min(1);
const count = z.int().positive();
const share = z.number().min(0).max(1);
const rate = share.nullable();

/** What the best checkpoint reached on queries it was not trained on. Rates over nothing are null. */
const validation = z.strictObject({
  queries: z.int().min(0),
  accuracy: share,
  tool_accuracy: share,
  think_accuracy: share,
  mean_iou: share,
  tool_mean_iou: share,
  ccr: rate,
  nsri: z.number().min(-1).max(1),
  worsen_rate: share,
  follow_correct_rate: rate,
  /** Of the queries that the tool has right, the share that is answered wrong. */
  lost: rate,
});

/** A refiner's `card.json`: all that the weights need to be read rightly, and where they come from. */
export const refinerCard = z.strictObject({
  schema: z.literal(1),
  kind: z.literal('refiner'),
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/),
  title: text,
  file: z.literal('refiner.onnx'),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  bytes: count,
  licence: text,
  citation: text,
  source: z.strictObject({ added: text }),
  /** Nothing else is read from a model of this kind; present so that all cards have it. */
  alternates: z.undefined().optional(),
  external: z.undefined().optional(),
  features: z.strictObject({
    /** A refiner answers only where the program's own version is the same. */
    version: count,
    candidate: count,
    tool: count,
    query: count,
    word: count,
  }),
  /** The image-text encoder whose numbers it reads beside; absent where it reads none. */
  encoder: z
    .strictObject({
      /** A refiner answers only where the program's own version of this group is the same. */
      version: count,
      family: z.enum(ENCODER_FAMILIES),
      name: text,
      /** Numbers a candidate, among `features.candidate`. */
      candidate: count,
      image_sha256: sha256,
      text_sha256: sha256,
      tokenizer_sha256: sha256,
      /** Of all else in the encoder's card that decides an embedding. */
      rules_sha256: sha256,
    })
    .optional(),
  policy: z.strictObject({
    wordWidth: count,
    width: count,
    heads: count,
    hidden: count,
    thinkLayers: z.int().min(0),
    rethinkLayers: z.int().min(0),
    members: count,
    parameters: count,
  }),
  /** Another object is taken where it is more than this many times as likely as the tool's. */
  margin: z.number().min(1),
  /** Words with a row of their own, sorted. */
  vocabulary: z.array(text),
  /** Tools with a slot of their own, in its order. */
  tools: z.array(text),
  /** Ways to refer that training showed it, beyond naming and describing: `negation`, `question`, `depth`. */
  constructs: z.array(text).default([]),
  /** Sorts of clues by which training showed one thing told from others of its kind: `attribute.colour`, `relation.on`. */
  clues: z.array(text).default([]),
  training: z.strictObject({
    command: text,
    data_sha256: z.string().regex(/^[0-9a-f]{64}$/),
    queries: count,
    settings: z.record(z.string(), z.json()),
  }),
  /** Null where nothing was held out. */
  validation: validation.nullable(),
});

/** The encoder as a refiner's card tells it. */
export type EncoderTrace = NonNullable<RefinerCard['encoder']>;
export type RefinerCard = Readonly<z.output<typeof refinerCard>>;
export type RefinerValidation = Readonly<z.output<typeof validation>>;
