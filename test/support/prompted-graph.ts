import {
  encodeOnnxModel,
  type OnnxNode,
  type OnnxTensor,
  onnxNode,
  onnxTensor,
  onnxValueInfo,
} from '../../scripts/onnx/model.js';

export interface PromptedPlan {
  readonly family: 'grounding-dino' | 'owl';
  /** Photos and, for OWL-ViT, prompts a run; names are sizes known at run time. */
  readonly batch: number | string;
  readonly prompts?: number | string;
  /** Tokens of a prompt. */
  readonly length: number | string;
  /** Sides of the photo. */
  readonly side: number | string;
  readonly vocabulary: number;
  /** Centre and size of each box, in units of the photo. */
  readonly boxes: readonly (readonly [cx: number, cy: number, width: number, height: number])[];
  /** How well boxes fit tokens; all others hardly do. */
  readonly logits: readonly (readonly [token: number, box: number, logit: number])[];
  /**
   * The box that tells what went in: its centre is the mean of the photo's first channel and of the photo's mask, its width a
   * hundredth of the tokens that count, its height a quarter more than the mean of the segments.
   */
  readonly probe?: number;
  readonly names?: Readonly<Record<string, string>>;
  /** Grounding DINO's logits come out of a product with weights, which can be quantised. */
  readonly dense?: boolean;
}

/** The logit of a token that a box does not fit. */
const UNFIT = -8;

/** Tokens of Grounding DINO's logits, whatever the length of the prompt. */
const GROUNDING_TOKENS = 256;

/**
 * A graph with the inputs and outputs of a detector that is asked in words: a table tells how well each box fits each token.
 * Grounding DINO tells them token by token; OWL-ViT tells the best of each prompt.
 */
export function promptedGraph(plan: PromptedPlan): Uint8Array {
  const { family, batch, prompts = batch, length, side, vocabulary, boxes, logits, probe } = plan;
  const isGrounding = family === 'grounding-dino';
  const count = boxes.length;
  const table = new Float32Array(vocabulary * count).fill(UNFIT);
  for (const [token, box, logit] of logits) table[token * count + box] = logit;
  const base = Float32Array.from(boxes.flat());
  const mask = new Float32Array(count * 4);
  if (probe !== undefined) mask.fill(1, probe * 4, probe * 4 + 4);
  const name = (of: string): string => plan.names?.[of] ?? of;
  const weights: OnnxTensor[] = [
    onnxTensor('table', 'float32', [vocabulary, count], table),
    onnxTensor('base', 'float32', [1, count, 4], base),
    onnxTensor('probe', 'float32', [1, count, 4], mask),
    onnxTensor('first', 'int64', [1], [0]),
    onnxTensor('second', 'int64', [1], [1]),
    onnxTensor('hundred', 'float32', [1], Float32Array.of(0.01)),
    onnxTensor('quarter', 'float32', [1], Float32Array.of(0.25)),
    onnxTensor('one', 'float32', [1, 1], Float32Array.of(1)),
  ];
  const nodes: OnnxNode[] = [
    onnxNode('ReduceMean', [name('pixel_values')], ['channels'], { axes: [2, 3], keepdims: 0 }),
    onnxNode('Gather', ['channels', 'first'], ['seen'], { axis: 1 }),
    onnxNode('Cast', [name('attention_mask')], ['counted'], { to: 1 }),
    onnxNode('ReduceSum', ['counted', isGrounding ? 'second' : 'both'], ['tokens'], {
      keepdims: isGrounding ? 1 : 0,
    }),
    onnxNode('Mul', ['tokens', 'hundred'], [isGrounding ? 'width' : 'flat-width']),
  ];
  const inputs = [
    onnxValueInfo(name('input_ids'), 'int64', [prompts, length]),
    onnxValueInfo(name('attention_mask'), 'int64', [prompts, length]),
    onnxValueInfo(name('pixel_values'), 'float32', [
      batch,
      3,
      side,
      side === 'height' ? 'width' : side,
    ]),
  ];
  if (isGrounding) {
    inputs.push(
      onnxValueInfo(name('token_type_ids'), 'int64', [prompts, length]),
      onnxValueInfo(name('pixel_mask'), 'int64', [batch, side, side === 'height' ? 'width' : side]),
    );
    weights.push(onnxTensor('room', 'int64', [1], [GROUNDING_TOKENS]));
    nodes.push(
      onnxNode('Cast', [name('pixel_mask')], ['shown'], { to: 1 }),
      onnxNode('ReduceMean', ['shown'], ['shown-rows'], { axes: [2], keepdims: 0 }),
      onnxNode('ReduceMean', ['shown-rows'], ['masked'], { axes: [1], keepdims: 1 }),
      onnxNode('Cast', [name('token_type_ids')], ['segments'], { to: 1 }),
      onnxNode('ReduceMean', ['segments'], ['segment'], { axes: [1], keepdims: 1 }),
      onnxNode('Add', ['segment', 'quarter'], ['height']),
      // Padding stands behind the prompt, as far as the logits reach.
      onnxNode('Shape', [name('input_ids')], ['shape']),
      onnxNode('Slice', ['shape', 'first', 'second'], ['rows']),
      onnxNode('Concat', ['rows', 'room'], ['padding-shape'], { axis: 0 }),
      onnxNode('Expand', ['first', 'padding-shape'], ['padding']),
      onnxNode('Concat', [name('input_ids'), 'padding'], ['long'], { axis: 1 }),
      onnxNode('Slice', ['long', 'first', 'room', 'second'], ['tokens-256']),
      ...fitsOf(plan),
      onnxNode('Transpose', ['fits'], [name('logits')], { perm: [0, 2, 1] }),
    );
    if (plan.dense) weights.push(...denseWeights(plan, table));
  } else {
    weights.push(onnxTensor('both', 'int64', [2], [0, 1]));
    weights.push(onnxTensor('row', 'int64', [2], [1, 1]));
    nodes.push(
      onnxNode('Reshape', ['flat-width', 'row'], ['width']),
      onnxNode('Identity', ['one'], ['masked']),
      onnxNode('Identity', ['quarter'], ['flat-height']),
      onnxNode('Reshape', ['flat-height', 'row'], ['height']),
      onnxNode('Gather', ['table', name('input_ids')], ['fits'], { axis: 0 }),
      onnxNode('ReduceMax', ['fits'], ['best'], { axes: [1], keepdims: 0 }),
      onnxNode('Transpose', ['best'], ['columns'], { perm: [1, 0] }),
      onnxNode('Unsqueeze', ['columns', 'first'], [name('logits')]),
    );
  }
  nodes.push(
    onnxNode('Concat', ['seen', 'masked', 'width', 'height'], ['told'], { axis: 1 }),
    onnxNode('Unsqueeze', ['told', 'second'], ['told-here']),
    onnxNode('Mul', ['told-here', 'probe'], ['moved']),
    onnxNode('Add', ['base', 'moved'], [name('pred_boxes')]),
  );
  return encodeOnnxModel({
    irVersion: 8,
    producerName: 'vgr tests',
    opsetImport: [{ domain: '', version: 17 }],
    graph: {
      name: 'known answers',
      node: nodes,
      initializer: weights,
      input: inputs,
      output: [
        onnxValueInfo(
          name('logits'),
          'float32',
          isGrounding ? [batch, count, GROUNDING_TOKENS] : [batch, count, prompts],
        ),
        onnxValueInfo(name('pred_boxes'), 'float32', [batch, count, 4]),
      ],
    },
  });
}

/** Width of the rows that a product takes: two blocks of 32, which 4-bit weights are quantised by. */
const WIDTH = 64;

function fitsOf({ dense }: PromptedPlan): OnnxNode[] {
  if (!dense) return [onnxNode('Gather', ['table', 'tokens-256'], ['fits'], { axis: 0 })];
  return [
    onnxNode('Gather', ['embedding', 'tokens-256'], ['embedded'], { axis: 0 }),
    onnxNode('MatMul', ['embedded', 'weights'], ['fits']),
  ];
}

/** The table as a product: rows as wide as the product takes, times ones on the diagonal. */
function denseWeights({ vocabulary, boxes }: PromptedPlan, table: Float32Array): OnnxTensor[] {
  const count = boxes.length;
  const embedding = new Float32Array(vocabulary * WIDTH);
  const weights = new Float32Array(WIDTH * count);
  for (let box = 0; box < count; box++) weights[box * count + box] = 1;
  for (let token = 0; token < vocabulary; token++) {
    embedding.set(table.subarray(token * count, (token + 1) * count), token * WIDTH);
  }
  return [
    onnxTensor('embedding', 'float32', [vocabulary, WIDTH], embedding),
    onnxTensor('weights', 'float32', [WIDTH, count], weights),
  ];
}
