import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  decodeOnnxModel,
  encodeOnnxModel,
  onnxNode,
  onnxTensor,
} from '../../scripts/onnx/model.js';
import { freshFolder } from './vgr.js';

/** Chromium's software Vulkan, by which the runtime has a WebGPU device without a GPU. Debian: `chromium` and `libvulkan1`. */
const CHROMIUM = '/usr/lib/chromium';
const DRIVER = join(CHROMIUM, 'vk_swiftshader_icd.json');
const LOADERS = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu', '/usr/lib64'];

/** Variables with which a process has a WebGPU device; undefined, with a line that says so, where this machine has none. */
export function softwareGpu(): Readonly<Record<string, string>> | undefined {
  const hasLoader = LOADERS.some((folder) => existsSync(join(folder, 'libvulkan.so.1')));
  if (!hasLoader || !existsSync(DRIVER)) {
    process.stderr.write(
      'skipped: tests on WebGPU need the packages `chromium` and `libvulkan1`\n',
    );
    return undefined;
  }
  const driver = join(freshFolder(), 'driver.json');
  const text = readFileSync(DRIVER, 'utf8');
  // The library is named beside the file; a copy names it by its path.
  writeFileSync(driver, text.replace('"./', `"${CHROMIUM}/`));
  return { VK_ICD_FILENAMES: driver };
}

/**
 * The graph of a test detector with a sine of millions in place of the mean that it tells: CPUs reduce such angles exactly, shaders
 * do not.
 */
export function wrongOnGpus(bytes: Uint8Array): Uint8Array {
  const model = decodeOnnxModel(bytes);
  const { node: nodes, initializer } = model.graph!;
  const told = nodes.find(({ output }) => output[0] === 'seen')!;
  told.output = ['mean'];
  told.name = 'mean';
  nodes.splice(
    nodes.indexOf(told) + 1,
    0,
    onnxNode('Mul', ['mean', 'far'], ['angle']),
    onnxNode('Sin', ['angle'], ['sine']),
    onnxNode('Mul', ['sine', 'swing'], ['seen']),
  );
  initializer.push(
    onnxTensor('far', 'float32', [1], Float32Array.of(123_456)),
    onnxTensor('swing', 'float32', [1], Float32Array.of(8)),
  );
  return encodeOnnxModel(model);
}
