import { createHash } from 'node:crypto';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { expect, it } from 'vitest';
import {
  decodeOnnxModel,
  encodeOnnxModel,
  onnxNode,
  onnxTensor,
  onnxValueInfo,
} from '../../scripts/onnx/model.js';
import {
  AttributeSchema,
  AttributeType,
  type Graph,
  GraphSchema,
} from '../../src/formats/onnx.generated.js';
import { detectorGraph } from '../support/detector-graph.js';
import { TINY_CARD, TINY_PLAN } from '../support/tiny-detector.js';
import { freshFolder, jsonLines, photoFolder, vgr } from '../support/vgr.js';

/** The tiny detector with something between the tensor `before` and its output. */
function changed(change: (graph: Graph, output: string) => void): Uint8Array {
  const model = decodeOnnxModel(detectorGraph(TINY_PLAN));
  const graph = model.graph!;
  const last = graph.node.at(-1)!;
  const [output] = last.output;
  last.output = ['before'];
  last.name = 'before';
  change(graph, output!);
  return encodeOnnxModel(model);
}

/** A loop without end. */
function endless(graph: Graph, output: string): void {
  const dims = [1, 5, 84];
  const body = create(GraphSchema, {
    name: 'body',
    input: [
      onnxValueInfo('turn', 'int64', []),
      onnxValueInfo('goes-on', 'bool', []),
      onnxValueInfo('value', 'float32', dims),
    ],
    output: [onnxValueInfo('still', 'bool', []), onnxValueInfo('next', 'float32', dims)],
    node: [onnxNode('Identity', ['goes-on'], ['still']), onnxNode('Neg', ['value'], ['next'])],
  });
  const loop = onnxNode('Loop', ['', 'always', 'before'], [output]);
  loop.attribute.push(
    create(AttributeSchema, { name: 'body', g: body, type: AttributeType.GRAPH }),
  );
  graph.initializer.push(onnxTensor('one', 'int64', [], [1]));
  graph.node.unshift(onnxNode('Cast', ['one'], ['always'], { to: 9 }));
  graph.node.push(loop);
}

/** A constant of 2 GB. */
function huge(graph: Graph, output: string): void {
  graph.initializer.push(onnxTensor('size', 'int64', [1], [2 ** 29]));
  graph.node.unshift(
    onnxNode('ConstantOfShape', ['size'], ['zeros']),
    onnxNode('ReduceMax', ['zeros'], ['zero'], { keepdims: 0 }),
  );
  graph.node.push(onnxNode('Add', ['before', 'zero'], [output]));
}

function modelFolder(graph: Uint8Array): string {
  const folder = freshFolder();
  const pins = { sha256: createHash('sha256').update(graph).digest('hex'), bytes: graph.length };
  const card = { ...TINY_CARD, ...pins, source: { added: 'x' } };
  writeFileSync(join(folder, 'card.json'), JSON.stringify(card));
  writeFileSync(join(folder, card.file), graph);
  return folder;
}

/** A TIFF of `side` x `side` pixels in a few hundred kilobytes: all of its rows are the same bytes. */
function endlessRows(side: number): Buffer {
  const start = 8;
  const lists = start + 3 * side;
  const directory = lists + 8 * side;
  const file = Buffer.alloc(directory + 2 + 12 * 9 + 4, 0x77);
  file.write('II*\0', 'latin1');
  file.writeUInt32LE(directory, 4);
  for (let row = 0; row < side; row++) {
    file.writeUInt32LE(start, lists + 4 * row);
    file.writeUInt32LE(3 * side, lists + 4 * (side + row));
  }
  const [width, height, compression, photometric, samples, rows] = [256, 257, 259, 262, 277, 278];
  const tags = [
    [width, 1, side],
    [height, 1, side],
    [258, 1, 8],
    [compression, 1, 1],
    [photometric, 1, 2],
    [273, side, lists],
    [samples, 1, 3],
    [rows, 1, 1],
    [279, side, lists + 4 * side],
  ] as const;
  let at = file.writeUInt16LE(tags.length, directory);
  for (const [tag, count, value] of tags) {
    at = file.writeUInt16LE(tag, at);
    at = file.writeUInt16LE(4, at);
    at = file.writeUInt32LE(count, at);
    at = file.writeUInt32LE(value, at);
  }
  file.writeUInt32LE(0, at);
  return file;
}

it('a photo whose pixels do not end is refused in the time that a flag sets, and the others are looked at', async () => {
  const photos = await photoFolder(1);
  writeFileSync(join(photos, 'rows.tif'), endlessRows(60_000));
  const limits = ['--max-pixels', '4000000000', '--decode-timeout', '1'];
  const run = await vgr([
    'detect',
    photos,
    '--device',
    'cpu',
    '--visualize',
    freshFolder(),
    ...limits,
  ]);
  expect(jsonLines(run.stdout)).toMatchObject([
    { type: 'detections', image: 'photo-00.jpg' },
    { type: 'error', image: 'rows.tif', code: 'IMAGE_TOO_LARGE' },
  ]);
  expect(run.stderr).toContain('expected to be decoded within 1 s');
  expect(run.code).toBe(1);
});

it('a model that fills the memory ends the run at what --max-memory allows', async () => {
  const detector = ['--detector', modelFolder(changed(huge)), '--device', 'cpu', '--sessions', '1'];
  const run = await vgr(['detect', await photoFolder(1), ...detector, '--max-memory', '600m']);
  expect(run.stderr).toMatch(/error: .*expected .*at (?:most 1624 MiB|least \d+m), got /);
  expect(run.code).toBeOneOf([2, 3]);
});

it('a model that does not end ends the run in the time that a flag sets, and what was done is kept', async () => {
  const folder = modelFolder(changed(endless));
  const output = join(freshFolder(), 'out');
  const args = [
    'detect',
    // More than there are threads: those that wait for one must not keep the run.
    await photoFolder(6),
    '--detector',
    folder,
    '--device',
    'cpu',
    '--output',
    output,
  ];
  const start = performance.now();
  const run = await vgr([...args, '--session-timeout', '2']);
  expect(run.stderr).toMatch(
    /^(?:device cpu.*\n)?error: the model was not done within 2 s\n\nhint: .*--session-timeout.*\n$/,
  );
  expect(run).toMatchObject({ code: 3, signal: null });
  expect(performance.now() - start).toBeLessThan(30_000);
  // Neither the lock nor a torn line is left.
  expect(readdirSync(output).sort()).toEqual(['results.jsonl', 'run.json']);
  const again = await vgr([...args, '--session-timeout', '1']);
  expect(again.stderr).toContain('error: the model was not done within 1 s');
  expect(again.code).toBe(3);
});
