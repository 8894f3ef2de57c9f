import { describe, expect, it } from 'vitest';
import type { Tensor } from '../../src/detect/family.js';
import { type ObservedGraph, recogniseDetector } from '../../src/models/recognition.js';

/** Outputs by name: dimensions, and values where they matter. */
type Outputs = Readonly<Record<string, readonly number[] | Tensor>>;

function graph(outputs: Outputs, rest: Partial<ObservedGraph> = {}): ObservedGraph {
  return {
    outputs: Object.entries(outputs).map(([name, of]) => ({
      ...('dims' in of ? of : tensor(of as readonly number[])),
      name,
    })),
    input: { width: 640, height: 640 },
    takesSize: false,
    operators: new Set(),
    ...rest,
  };
}

function tensor(dims: readonly number[], values: readonly number[] = []): Tensor {
  const data = new Float32Array(dims.reduce((a, b) => a * b, 1));
  data.set(values);
  return { type: 'float32', data, dims };
}

const int = (...dims: number[]): Tensor => ({
  type: 'int64',
  data: new BigInt64Array(dims.reduce((a, b) => a * b, 1)),
  dims,
});

const best = (of: ObservedGraph) => recogniseDetector(of)[0];

/** Cells of strides 8, 16, 32 over 640 pixels. */
const CELLS = 8400;

describe('recognising a detector', () => {
  it('takes small sizes of YOLOX for logarithms, however far the centres', () => {
    const found = best(graph({ output: tensor([1, CELLS, 85], [-40, 60, 5.5, -8, 1]) }));
    expect(found).toMatchObject({ family: 'yolox' });
    expect(found).not.toHaveProperty('boxes');
  });

  it.each<[string, Outputs, Partial<ObservedGraph>, object]>([
    ['YOLOv8', { output0: [1, 84, CELLS] }, {}, { family: 'yolo', classes: 80 }],
    ['YOLOv8 of one label', { output0: [1, 5, CELLS] }, {}, { family: 'yolo', classes: 1 }],
    ['YOLOv5', { output0: [1, 25200, 85] }, {}, { family: 'yolo', classes: 80 }],
    [
      'YOLOv5 with a fourth stride',
      { output: [1, 102000, 85] },
      { input: { width: 1280, height: 1280 } },
      { family: 'yolo', classes: 80, strides: [8, 16, 32, 64] },
    ],
    ['YOLO26, YOLOv10', { output0: [1, 300, 6] }, {}, { family: 'yolo', classes: undefined }],
    [
      'RT-DETR of Ultralytics',
      { output0: [1, 300, 84] },
      { labels: 80 },
      { family: 'yolo', classes: 80, boxes: 'cxcywh-unit' },
    ],
    [
      'RT-DETR of Ultralytics with two labels',
      { output0: tensor([1, 2, 6], [0.5, 0.5, 0.2, 1, 0.1, 0.9]) },
      { labels: 2 },
      { family: 'yolo', classes: 2, boxes: 'cxcywh-unit' },
    ],
    [
      'YOLO26 with two labels',
      { output0: tensor([1, 2, 6], [5, 5, 20, 30, 0.1, 1]) },
      { labels: 2 },
      { family: 'yolo', classes: undefined },
    ],
    ['YOLOX', { output: [1, CELLS, 85] }, {}, { family: 'yolox', classes: 80 }],
    [
      'YOLOX that decodes itself',
      { output: [1, CELLS, 85] },
      { operators: new Set(['Exp']) },
      { family: 'yolox', boxes: 'cxcywh-pixels' },
    ],
    [
      'YOLOX that decodes without an exponential',
      { output: tensor([1, CELLS, 85], [4, 4, 31.5, 12]) },
      {},
      { family: 'yolox', boxes: 'cxcywh-pixels' },
    ],
    [
      'YOLOv5 with its raw heads',
      {
        output: [1, 25200, 85],
        345: [1, 3, 80, 80, 85],
        403: [1, 3, 40, 40, 85],
        461: [1, 3, 20, 20, 85],
      },
      {},
      { family: 'yolo', outputs: { predictions: ['output'] }, classes: 80 },
    ],
    [
      'NanoDet-Plus',
      { output: [1, CELLS + 100, 112] },
      {},
      { family: 'nanodet-plus', classes: 80 },
    ],
    [
      'PicoDet with post-processing',
      { 'multiclass_nms3_0.tmp_0': [100, 6], 'multiclass_nms3_0.tmp_2': [1] },
      { takesSize: true },
      { family: 'picodet', outputs: { rows: ['multiclass_nms3_0.tmp_0'] } },
    ],
    [
      'D-FINE, RT-DETR',
      {
        logits: [1, 300, 80],
        pred_boxes: [1, 300, 4],
        encoder_last_hidden_state: [1, 256, 20, 20],
      },
      { labels: 80 },
      {
        family: 'detr',
        classes: 80,
        activation: 'sigmoid',
        outputs: { logits: ['logits'], boxes: ['pred_boxes'] },
      },
    ],
    [
      'RF-DETR',
      { dets: [1, 300, 4], labels: [1, 300, 91] },
      {},
      {
        family: 'detr',
        classes: 91,
        activation: 'sigmoid',
        outputs: { logits: ['labels'], boxes: ['dets'] },
      },
    ],
    [
      'DETR',
      { logits: [1, 100, 92], pred_boxes: [1, 100, 4] },
      {},
      { classes: 91, activation: 'softmax' },
    ],
    [
      'DETR of four logits, of which the last is for nothing',
      { logits: tensor([1, 2, 4], [0, 0, 0, 9, 0, 0, 0, 9]), pred_boxes: [1, 2, 4] },
      {},
      { family: 'detr', classes: 3, activation: 'softmax' },
    ],
    [
      'sigmoid with one logit too many',
      { logits: tensor([1, 2, 4], [-5, -5, -5, -5, 3, -5, -5, -5]), pred_boxes: [1, 2, 4] },
      { labels: 3 },
      { family: 'detr', classes: 4, activation: 'sigmoid' },
    ],
    [
      'DEIM',
      { labels: int(1, 300), boxes: [1, 300, 4], scores: [1, 300] },
      { takesSize: true },
      { family: 'deim', outputs: { labels: ['labels'], boxes: ['boxes'], scores: ['scores'] } },
    ],
    [
      'SSD of TensorFlow 2, with more outputs than are needed',
      {
        detection_anchor_indices: [1, 100],
        detection_boxes: [1, 100, 4],
        detection_classes: [1, 100],
        detection_multiclass_scores: [1, 100, 91],
        detection_scores: [1, 100],
        num_detections: [1],
        raw_detection_boxes: [1, 1917, 4],
        raw_detection_scores: [1, 1917, 91],
      },
      {},
      {
        family: 'ssd',
        boxes: 'yxyx-unit',
        outputs: {
          boxes: ['detection_boxes'],
          scores: ['detection_scores'],
          classes: ['detection_classes'],
          count: ['num_detections'],
        },
      },
    ],
    [
      'end-to-end exports with suppression by TensorRT',
      {
        num_dets: int(1, 1),
        det_boxes: [1, 100, 4],
        det_scores: [1, 100],
        det_classes: int(1, 100),
      },
      {},
      { family: 'ssd', countsFrom: 0 },
    ],
    [
      'YOLO-NAS',
      {
        graph2_num_predictions: int(1, 1),
        graph2_pred_boxes: tensor([1, 9, 4], [10, 20, 300, 400]),
        graph2_pred_scores: [1, 9],
        graph2_pred_classes: int(1, 9),
      },
      {},
      { family: 'ssd', boxes: 'xyxy-pixels', countsFrom: 0 },
    ],
    [
      'YOLO-NAS without suppression',
      { 913: tensor([1, CELLS, 4], [10, 20, 300, 400]), 904: tensor([1, CELLS, 80], [0.5]) },
      {},
      { family: 'yolo', classes: 80, outputs: { boxes: ['913'], scores: ['904'] } },
    ],
    [
      'MMDeploy',
      { dets: tensor([1, 100, 5], [10, 20, 300, 400, 0.9]), labels: int(1, 100) },
      {},
      { family: 'ssd', countsFrom: 0, outputs: { boxes: ['dets'], classes: ['labels'] } },
    ],
    ['YOLOv7 end to end', { output: [2, 7] }, {}, { family: 'ssd', outputs: { rows: ['output'] } }],
    ['Caffe', { out: [1, 1, 100, 7] }, {}, { family: 'ssd', boxes: 'xyxy-unit', countsFrom: 1 }],
    [
      'NanoDet-Plus of three strides',
      { output: tensor([1, CELLS, 33], [0.5, -3, 8]) },
      {},
      { family: 'nanodet-plus', classes: 1, strides: [8, 16, 32] },
    ],
    [
      'YOLOX of the same shape',
      { output: tensor([1, CELLS, 33], [3, 2, 1, 1, 0.5]) },
      {},
      { family: 'yolox', classes: 28 },
    ],
    [
      'SSD of PyTorch',
      { boxes: tensor([2, 4], [10, 20, 300, 400]), labels: int(2), scores: [2] },
      {},
      { family: 'ssd', boxes: 'xyxy-pixels', countsFrom: 1 },
    ],
    [
      'CenterNet',
      { wh: [1, 4, 160, 160], keypoints: [1, 80, 160, 160], features: [1, 64, 80, 80] },
      {},
      { family: 'centernet', strides: [4], classes: 80 },
    ],
  ])('%s', (_, outputs, rest, expected) => {
    expect(best(graph(outputs, rest))).toMatchObject(expected);
  });

  it.each<[string, Outputs]>([
    ['a classifier', { logits: [1, 1000] }],
    ['a segmenter', { output0: [1, 116, CELLS], output1: [1, 32, 160, 160] }],
    ['boxes without labels', { boxes: [1, 300, 4], scores: [1, 300] }],
    ['nothing', {}],
  ])('knows %s for none', (_, outputs) => {
    expect(recogniseDetector(graph(outputs))).toEqual([]);
  });
});
