import type { GraphPlan } from './detector-graph.js';

/** A YOLO with one label over 64 pixels: 84 cells. */
export const TINY_PLAN: GraphPlan = {
  image: { name: 'images', type: 'float32', dims: [1, 3, 64, 64] },
  outputs: [
    { name: 'output0', dims: [5, 84], values: { 0: 32, 84: 32, 168: 16, 252: 8, 336: 0.75 } },
  ],
};

/** Its card without source, sha256 and bytes. */
export const TINY_CARD = {
  schema: 1,
  kind: 'detector',
  name: 'tiny',
  family: 'yolo',
  title: 'Tiny',
  file: 'tiny.onnx',
  licence: 'MIT',
  citation: 'none',
  input: {
    name: 'images',
    type: 'float32',
    layout: 'nchw',
    width: 64,
    height: 64,
    batch: 1,
    fit: 'stretch',
    fill: 0,
    channels: 'rgb',
    scale: 1,
    mean: [0, 0, 0],
    std: [1, 1, 1],
  },
  outputs: { predictions: ['output0'] },
  decoding: { minScore: 0.5, maxDetections: 10, nmsIou: 0.5, strides: [8, 16, 32] },
  labels: [{ id: 1, name: 'lion' }],
};
