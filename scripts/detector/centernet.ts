import { encodeOnnxModel } from '../onnx/model.js';
import { emitNetwork } from './emission.js';
import { readGraphModel } from './graph-model.js';
import { lowerGraph } from './lowering.js';
import { simplify } from './rewrites.js';

/** A TensorFlow.js graph model as its package holds it. */
export interface GraphModelFiles {
  /** Text of the topology and weights manifest. */
  readonly json: string;
  readonly weights: Uint8Array;
}

/** The network's outputs, by their names in the ONNX graph. */
const OUTPUTS = {
  /** Distances from the centre to the left, top, right and bottom side, input pixels. */
  wh: 'tower_0/wh',
  /** Score of each class at each cell of 4 x 4 pixels. */
  keypoints: 'tower_0/keypoints',
};

/**
 * CenterNet with MobileNetV3 as ONNX: input `images` uint8 [batch, height, width, 3] RGB, sides multiples of 32; outputs `wh`
 * [batch, 4, height / 4, width / 4] and `keypoints` [batch, 80, height / 4, width / 4], float32. The same files give the same bytes.
 * @param source said in the model's metadata, such as `package@version`
 * @see Zhou et al., Objects as Points, arXiv 1904.07850; Liu et al., Training-Time-Friendly Network, arXiv 1909.00700
 */
export function convertCenternet({ json, weights }: GraphModelFiles, source: string): Uint8Array {
  const network = lowerGraph(readGraphModel(json, weights), 'tower_0/images', OUTPUTS);
  const model = emitNetwork(simplify(network), {
    input: { name: 'images', height: 512, width: 512, channels: 3 },
    graphName: 'centernet',
    producer: 'vgr',
    metadata: { source },
  });
  return encodeOnnxModel(model);
}
