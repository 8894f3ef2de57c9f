import { describe, expect, test } from 'vitest';
import { decodeOnnxModel } from '../../src/formats/onnx.js';
import { matMul } from '../../src/tensor/contraction.js';
import { add, exponential, multiply, relu } from '../../src/tensor/elementwise.js';
import {
  type Expression,
  input,
  parameter,
  parameterCount,
  parametersOf,
} from '../../src/tensor/expression.js';
import { concat, expand, gather, reshape, slice, transpose } from '../../src/tensor/layout.js';
import { writeOnnxGraph } from '../../src/tensor/onnx-writer.js';
import { layerNormalization, softmax } from '../../src/tensor/reduction.js';
import { broadcastShapes, ShapeError } from '../../src/tensor/shape.js';
import { floats, openGraph, openModel } from '../training/graph-session.js';

const nodes = (outputs: Record<string, Expression>) =>
  decodeOnnxModel(writeOnnxGraph({ name: 'g', outputs, parameters: 'inputs' })).graph!.node!;

describe('writeOnnxGraph', () => {
  test('a graph with sizes known at run time runs for any of them', async () => {
    const x = input('x', ['batch', 'boxes', 6]);
    const heads = transpose(reshape(x, ['batch', 'boxes', 2, 3]), [0, 2, 1, 3]);
    const scores = softmax(matMul(heads, transpose(heads, [0, 1, 3, 2])));
    const mixed = reshape(transpose(matMul(scores, heads), [0, 2, 1, 3]), ['batch', 'boxes', 6]);
    const session = await openGraph({ mixed });
    for (const [batch, boxes] of [
      [1, 1],
      [2, 5],
    ] as const) {
      // Rows of equal values attend to each other evenly and so stay what they are.
      const data = Float32Array.from({ length: batch * boxes * 6 }, (_, i) => (i % 6) / 6);
      const { mixed: result } = await session.run({ x: floats(data, [batch, boxes, 6]) });
      expect(result).toHaveLength(data.length);
      result!.forEach((value, i) => {
        expect(value).toBeCloseTo(data[i]!, 6);
      });
    }
    await session.close();
  });

  test('parameters are inputs for training and values for inference', async () => {
    const w = parameter('w', [2, 1], { fill: 0 });
    const outputs = { y: matMul(input('x', ['n', 2]), w) };
    const values = new Map([['w', new Float32Array([3, 4])]]);
    const fixed = await openGraph(outputs, values);
    const fed = await openGraph(outputs);
    const x = floats([1, 2], [1, 2]);
    expect(await fixed.run({ x })).toEqual({ y: new Float32Array([11]) });
    expect(await fed.run({ x, w: floats([5, 6], [2, 1]) })).toEqual({ y: new Float32Array([17]) });
    await fixed.close();
    await fed.close();
    await expect(openGraph(outputs, new Map())).rejects.toThrow('parameter `w` has no values');
  });

  test('equal subexpressions are computed once', () => {
    const x = input('x', [3]);
    const twice = add(multiply(exponential(x), 2), multiply(exponential(x), 2));
    const operators = nodes({ twice }).map((node) => node.opType);
    expect(operators).toEqual(['Exp', 'Mul', 'Add', 'Identity']);
  });

  test('the same graph gives the same bytes', () => {
    const write = () =>
      writeOnnxGraph({
        name: 'g',
        outputs: { y: layerNormalization(relu(input('x', ['n', 4]))) },
        parameters: 'inputs',
        metadata: { version: '1' },
      });
    expect(write()).toEqual(write());
    expect(decodeOnnxModel(write()).metadataProps).toEqual([{ key: 'version', value: '1' }]);
  });

  test('a deep graph does not overflow the call stack', () => {
    let y: Expression = input('x', [1]);
    for (let depth = 0; depth < 20_000; depth++) y = relu(add(y, depth));
    expect(nodes({ y })).toHaveLength(40_001);
  });

  test('one name for two inputs of different shape is refused', () => {
    const outputs = { y: add(input('x', [3]), input('x', [1])) };
    expect(() => nodes(outputs)).toThrow('input `x`: [3] and [1]');
  });

  test('an input can be an output', async () => {
    const session = await openModel(
      writeOnnxGraph({ name: 'g', outputs: { y: input('x', [2]) }, parameters: 'inputs' }),
    );
    expect(await session.run({ x: floats([1, 2], [2]) })).toEqual({ y: new Float32Array([1, 2]) });
    await session.close();
  });
});

describe('parameters', () => {
  test('are listed by name, whatever the order of writing', () => {
    const a = parameter('a', [2, 3], { fill: 0 });
    const b = parameter('b', [3], { fill: 0 });
    const names = (outputs: Expression[]) => parametersOf(outputs).map((p) => p.attributes.name);
    expect(names([b, a])).toEqual(['a', 'b']);
    expect(names([add(a, b)])).toEqual(['a', 'b']);
    expect(parameterCount([a, b])).toBe(9);
  });

  test('two of one name are refused', () => {
    const one = parameter('w', [1], { fill: 0 });
    const other = parameter('w', [1], { fill: 1 });
    expect(() => parametersOf([add(one, other)])).toThrow('two parameters are named `w`');
  });
});

describe('shapes', () => {
  const batched = input('x', ['batch', 3]);

  test.each([
    [[], [], []],
    [[3], [], [3]],
    [
      [2, 1, 3],
      [4, 1],
      [2, 4, 3],
    ],
    [['batch', 48, 1], [64], ['batch', 48, 64]],
    [
      ['n', 1],
      [1, 'n'],
      ['n', 'n'],
    ],
  ])('%j and %j broadcast to %j', (a, b, expected) => {
    expect(broadcastShapes(a, b)).toEqual(expected);
    expect(broadcastShapes(b, a)).toEqual(expected);
  });

  test.each([
    ['different sizes', () => broadcastShapes([2], [3])],
    ['different names', () => broadcastShapes(['a'], ['b'])],
    ['a name against a size', () => broadcastShapes(['a'], [3])],
    ['inner sizes of a product', () => matMul(batched, input('y', [4, 2]))],
    ['a product of a vector', () => matMul(batched, input('y', [3]))],
    ['lost elements', () => reshape(batched, ['batch', 4])],
    ['a lost name', () => reshape(batched, [3])],
    ['a permutation', () => transpose(batched, [0, 0])],
    ['a slice past the end', () => slice(batched, 1, 2, 4)],
    ['a slice along a name', () => slice(batched, 0, 0, 1)],
    ['parts of different height', () => concat([batched, input('y', [2, 3])], 1)],
    ['no parts', () => concat([], 0)],
    ['a table of three axes', () => gather(input('t', [2, 2, 2]), batched)],
    ['stretching what is not 1', () => expand(input('y', [2]), [3])],
    ['stretching to a name', () => expand(input('y', [1]), ['batch'])],
    ['an axis too far', () => concat([batched], 2)],
  ])('%s is refused', (_, build) => {
    expect(build).toThrow(ShapeError);
  });

  test('parts beside a named axis give a new name', () => {
    expect(concat([batched, input('y', ['batch', 'n'])], 1).shape).toEqual(['batch', 'n+3']);
  });
});
