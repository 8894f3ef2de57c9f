import { MASK_INPUT } from '../detection/encoder-signature.js';
import type { GraphSignature } from '../detection/signature.js';
import type { NamedTensors, Tensor } from '../detection/tensor.js';
import { fitTokens } from '../detection/text-tokens.js';
import type { EncoderCard } from '../formats/encoder-card.js';
import { asVgrError, VgrError } from '../formats/fault.js';
import type { RgbRaster } from '../geometry/raster.js';
import type { ImageTextEncoder } from '../pipeline/crop-matching.js';
import type { RunPhotos } from './messages.js';
import type { SessionPool } from './pool.js';

/** An encoder's towers as they stand in the pool. */
export interface PooledTowers {
  /** Names in the pool; the same for a graph with both. */
  readonly image: string;
  readonly text: string;
  /** Of the text tower. */
  readonly signature: GraphSignature;
  /** Tokens of a text, the special ones among them. */
  readonly tokenize: (text: string) => readonly number[];
}

/**
 * Crops in one run. Always as many, filled up with black ones: an embedding must not depend on the crops beside it, and
 * matrix kernels add up in another order for another number of rows.
 */
const CROPS_A_RUN = 8;

/** An image-text encoder whose sessions live in the pool. Texts are lower-cased, as both families were trained. */
export function pooledEncoder(
  pool: SessionPool,
  card: EncoderCard,
  { image, text, signature, tokenize }: PooledTowers,
): ImageTextEncoder {
  const both = image === text;
  const { output, fit: _fit, fill: _fill, ...input } = card.image;
  const taker = { name: card.name, input };
  const perRun = card.image.batch === 'any' ? CROPS_A_RUN : 1;
  const blank = blankRaster(card);
  const tokensOf = (words: string): NamedTensors => {
    const { ids, mask } = fitTokens(
      tokenize(card.text.template.replace('{}', () => words)),
      card.text,
    );
    // SigLIP is trained to read its padding too.
    const read = card.family === 'siglip' ? ids.map(() => 1) : mask;
    return tokenTensors(ids, read, card.text.input, signature);
  };
  // A graph with both towers runs both: the other one is given the least there is.
  const idle = both ? tokensOf('a') : {};
  return {
    ...card.match,
    async embedCrops(crops) {
      const runs = batches(crops, perRun).map(async (batch) => {
        const filler = new Array<RgbRaster>(perRun - batch.length).fill(blank);
        const photos: RunPhotos = { taker, rasters: [...batch, ...filler] };
        const outputs = await steadily(() => pool.run(image, idle, [output], photos));
        return embeddingsOf(outputs[output], card).slice(0, batch.length);
      });
      return (await Promise.all(runs)).flat();
    },
    async embedText(words) {
      const feeds = tokensOf(words.toLowerCase());
      const photos = both ? { taker, rasters: [blank] } : undefined;
      const outputs = await steadily(() => pool.run(text, feeds, [card.text.output], photos));
      return embeddingsOf(outputs[card.text.output], card)[0]!;
    },
  };
}

function blankRaster({ image: { width, height } }: EncoderCard): RgbRaster {
  return { width, height, data: new Uint8Array(width * height * 3) };
}

function batches<T>(items: readonly T[], size: number): readonly (readonly T[])[] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, at) =>
    items.slice(at * size, (at + 1) * size),
  );
}

function tokenTensors(
  ids: readonly number[],
  mask: readonly number[],
  name: string,
  { inputs }: GraphSignature,
): NamedTensors {
  const tensor = (values: readonly number[], type: string | undefined): Tensor => ({
    ...(type === 'int32'
      ? { type, data: Int32Array.from(values) }
      : { type: 'int64', data: BigInt64Array.from(values, BigInt) }),
    dims: [1, values.length],
  });
  const port = (wanted: string) => inputs.find((each) => each.name === wanted);
  const masked = port(MASK_INPUT);
  return {
    [name]: tensor(ids, port(name)?.type),
    ...(masked && { [MASK_INPUT]: tensor(mask, masked.type) }),
  };
}

/** Rows of length 1. @throws VgrError CARD_INVALID where the output is no embedding */
function embeddingsOf(tensor: Tensor | undefined, { name }: EncoderCard): readonly Float32Array[] {
  const [rows, width, ...more] = tensor?.dims ?? [];
  if (tensor?.type !== 'float32' || !rows || !width || more.length > 0) {
    const got = tensor ? `${tensor.type} [${tensor.dims.join(',')}]` : 'nothing';
    throw new VgrError(
      'CARD_INVALID',
      `model \`${name}\`: expected embeddings, float32 [batch,d], got ${got}`,
      { hint: 'docs/models/clip.md tells which output holds them' },
    );
  }
  const data = tensor.data as Float32Array;
  return Array.from({ length: rows }, (_, row) =>
    normalised(data.subarray(row * width, (row + 1) * width)),
  );
}

function normalised(values: Float32Array): Float32Array {
  let sum = 0;
  for (const value of values) sum += value * value;
  const length = Math.max(Math.sqrt(sum), 1e-12);
  return values.map((value) => value / length);
}

/** Once more where the thread ended under it: the feeds are still here. */
async function steadily<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (thrown) {
    if (asVgrError(thrown).code !== 'WORKER_CRASHED') throw thrown;
    return run();
  }
}
