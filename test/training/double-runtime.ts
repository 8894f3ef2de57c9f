import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { NamedTensors } from '../../src/detection/tensor.js';
import {
  decodeOnnxModel,
  encodeOnnxModel,
  OnnxDataType,
  type OnnxTensor,
  type OnnxValueInfo,
} from '../../src/formats/onnx.js';
import type { TrainingRuntime, TrainingSession } from '../../src/training/session.js';

/** One element of one input, moved by a step too small for float32. */
export interface Nudge {
  readonly name: string;
  readonly index: number;
  readonly by: number;
}

/**
 * Runs graphs in double precision, so that differences can be taken over steps that cross no kink of a rectifier. Outputs
 * are doubles behind the type of floats.
 */
export class DoubleRuntime implements TrainingRuntime {
  nudge: Nudge | undefined;
  readonly #sessions: InferenceSession[] = [];

  async open(_: string, model: Uint8Array): Promise<TrainingSession> {
    const options = { intraOpNumThreads: 1, interOpNumThreads: 1, logSeverityLevel: 3 } as const;
    const session = await InferenceSession.create(doubled(model), options);
    this.#sessions.push(session);
    return {
      step: async (feeds) => {
        const results = Object.entries(await session.run(this.#tensors(feeds)));
        return Object.fromEntries(
          results.map(([name, { data, dims }]) => [
            name,
            { type: 'float32', data: data as unknown as Float32Array, dims },
          ]),
        );
      },
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.#sessions.map((session) => session.release()));
  }

  #tensors(feeds: NamedTensors): Record<string, Tensor> {
    const tensors = Object.entries(feeds).map(([name, { type, data, dims }]) => {
      if (type !== 'float32') return [name, new Tensor(type, data, [...dims])] as const;
      const values = Float64Array.from(data as Float32Array);
      if (this.nudge?.name === name) values[this.nudge.index]! += this.nudge.by;
      return [name, new Tensor('float64', values, [...dims])] as const;
    });
    return Object.fromEntries(tensors);
  }
}

/** The same model with every float32 as float64. */
function doubled(bytes: Uint8Array): Uint8Array {
  const model = decodeOnnxModel(bytes);
  const graph = model.graph!;
  return encodeOnnxModel({
    ...model,
    graph: {
      ...graph,
      initializer: graph.initializer!.map(doubledTensor),
      input: graph.input!.map(doubledInfo),
      output: graph.output!.map(doubledInfo),
    },
  });
}

function doubledTensor(tensor: OnnxTensor): OnnxTensor {
  if (tensor.dataType !== OnnxDataType.float32) return tensor;
  const raw = tensor.rawData!;
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const doubles = Float64Array.from({ length: raw.length / 4 }, (_, i) =>
    view.getFloat32(i * 4, true),
  );
  return { ...tensor, dataType: OnnxDataType.float64, rawData: new Uint8Array(doubles.buffer) };
}

function doubledInfo(info: OnnxValueInfo): OnnxValueInfo {
  const tensorType = info.type!.tensorType!;
  if (tensorType.elemType !== OnnxDataType.float32) return info;
  return { ...info, type: { tensorType: { ...tensorType, elemType: OnnxDataType.float64 } } };
}
