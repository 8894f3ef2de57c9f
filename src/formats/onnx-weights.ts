import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { decodeOnnxTensor, encodeOnnxTensor, type OnnxTensor } from './onnx.js';
import { externalFileOf } from './onnx-outline.js';
import { ProtobufError } from './protobuf.js';

/** Field numbers of onnx.proto. */
const MODEL_GRAPH = 7;
const GRAPH_INITIALIZER = 5;
const GRAPH_INPUT = 11;
const VALUE_NAME = 1;

/**
 * The same model with its weights as constants within the file: initialisers are taken off the list of inputs, where they
 * keep a runtime from folding them into the operators around them, and values that lie in other files are put in. All other
 * bytes stay as they are.
 * @param overridable names of initialisers that are listed as inputs
 * @param external contents of the other files, by the path under which the model knows them
 * @throws {ProtobufError} when a tensor reaches beyond its file, or a file is missing
 */
export function embedWeights(
  bytes: Uint8Array,
  overridable: ReadonlySet<string>,
  external: ReadonlyMap<string, Uint8Array>,
): Uint8Array {
  return mapFields(bytes, (number, graph) => {
    if (number !== MODEL_GRAPH) return 'keep';
    return mapFields(graph, (field, content) => {
      if (field === GRAPH_INPUT) return overridable.has(nameOfValue(content)) ? 'drop' : 'keep';
      if (field !== GRAPH_INITIALIZER || external.size === 0) return 'keep';
      const tensor = decodeOnnxTensor(content);
      const file = externalFileOf(tensor);
      return file === undefined ? 'keep' : encodeOnnxTensor(withValues(tensor, file, external));
    });
  });
}

/** Rewrites the length-delimited fields of a message; numbers are copied. */
function mapFields(
  bytes: Uint8Array,
  change: (number: number, content: Uint8Array) => Uint8Array | 'keep' | 'drop',
): Uint8Array {
  const writer = new BinaryWriter();
  const reader = new BinaryReader(bytes);
  // Fields that stay are copied in runs.
  let from = 0;
  const copyTo = (end: number): void => {
    if (end > from) writer.raw(bytes.subarray(from, end));
  };
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [number, wire] = reader.tag();
    if (wire !== WireType.LengthDelimited) {
      reader.skip(wire, number);
      continue;
    }
    const changed = change(number, reader.bytes());
    if (changed === 'keep') continue;
    copyTo(start);
    from = reader.pos;
    if (changed !== 'drop') writer.tag(number, WireType.LengthDelimited).bytes(changed);
  }
  copyTo(bytes.length);
  return writer.finish();
}

function nameOfValue(value: Uint8Array): string {
  const reader = new BinaryReader(value);
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    if (number === VALUE_NAME) return reader.string();
    reader.skip(wire, number);
  }
  return '';
}

function withValues(
  { externalData = [], dataLocation: _outside, ...tensor }: OnnxTensor,
  file: string,
  external: ReadonlyMap<string, Uint8Array>,
): OnnxTensor {
  const number = (key: string): number | undefined => {
    const text = externalData.find((entry) => entry.key === key)?.value;
    return text === undefined ? undefined : Number(text);
  };
  const values = external.get(file);
  const place = `tensor ${tensor.name ?? ''}`;
  if (values === undefined) throw new ProtobufError(`${place}: its file ${file} is not here`);
  const offset = number('offset') ?? 0;
  const length = number('length') ?? values.length - offset;
  if (!(offset >= 0 && length >= 0 && offset + length <= values.length)) {
    throw new ProtobufError(
      `${place}: expected bytes ${offset} to ${offset + length} of ${file}, which has ${values.length}`,
    );
  }
  return { ...tensor, rawData: values.subarray(offset, offset + length) };
}
