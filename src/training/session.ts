import type { NamedTensors } from '../detection/tensor.js';

/** A graph that stands ready on some device. */
export interface TrainingSession {
  /** All outputs for these inputs. Calls may be made side by side; each is independent of the others. */
  step(feeds: NamedTensors): Promise<NamedTensors>;
}

/** Where graphs run: the session pool, or a single session in tests. */
export interface TrainingRuntime {
  /** Makes a graph ready under a name that no other graph of the run has. */
  open(name: string, model: Uint8Array): Promise<TrainingSession>;
}
