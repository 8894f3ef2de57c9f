// Expressions a photo with @huggingface/transformers: `node bench/transformers/florence.mjs MODEL PHOTO THREADS EXPRESSION..`, where MODEL
// is a folder that scripts/reference/full_size.py made. Prints the milliseconds of all of them together, after one that does not count.
// The usual way of the library: each call encodes the photo. Answers are bounded to the length that the form of an answer has.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import {
  env,
  Florence2ForConditionalGeneration,
  load_image,
  PreTrainedTokenizer,
  Tensor,
} from '@huggingface/transformers';

const [model, photo, threads, ...expressions] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'vgr-bench-florence-'));
mkdirSync(join(folder, 'florence/onnx'), { recursive: true });
for (const name of ['vision_encoder', 'embed_tokens', 'encoder_model', 'decoder_model_merged']) {
  symlinkSync(resolve(model, `${name}.onnx`), join(folder, 'florence/onnx', `${name}.onnx`));
}
const text = {
  model_type: 'bart',
  d_model: 768,
  decoder_layers: 6,
  encoder_layers: 6,
  decoder_attention_heads: 12,
  encoder_attention_heads: 12,
  vocab_size: 51289,
  is_encoder_decoder: true,
};
const ends = {
  bos_token_id: 0,
  eos_token_id: 2,
  pad_token_id: 1,
  decoder_start_token_id: 2,
  forced_bos_token_id: 0,
};
const config = {
  model_type: 'florence2',
  architectures: ['Florence2ForConditionalGeneration'],
  text_config: { ...text, ...ends },
  ...ends,
  is_encoder_decoder: true,
  vocab_size: 51289,
};
writeFileSync(join(folder, 'florence/config.json'), JSON.stringify(config));
writeFileSync(
  join(folder, 'florence/generation_config.json'),
  JSON.stringify({ ...ends, num_beams: 1 }),
);
env.localModelPath = folder;
env.allowRemoteModels = false;
const { readFileSync } = await import('node:fs');
const tokenizer = new PreTrainedTokenizer(
  JSON.parse(readFileSync(join(model, 'tokenizer.json'), 'utf8')),
  {},
);
const session_options = { intraOpNumThreads: Number(threads), interOpNumThreads: 1 };
const florence = await Florence2ForConditionalGeneration.from_pretrained('florence', {
  dtype: 'fp32',
  local_files_only: true,
  session_options,
});

const image = await (await load_image(photo)).resize(768, 768, { resample: 3 });
const mean = [0.485, 0.456, 0.406];
const std = [0.229, 0.224, 0.225];
const pixels = new Float32Array(3 * 768 * 768);
for (let at = 0; at < 768 * 768; at++) {
  for (let c = 0; c < 3; c++) {
    pixels[c * 768 * 768 + at] = (image.data[at * image.channels + c] / 255 - mean[c]) / std[c];
  }
}
const pixel_values = new Tensor('float32', pixels, [1, 3, 768, 768]);

function cpuSince(before) {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}

async function answer(expression) {
  const inputs = tokenizer(`Locate the phrases in the caption: ${expression}`);
  const words = tokenizer(expression, { add_special_tokens: false }).input_ids.dims[1];
  // The start, the phrase and four location tokens.
  const length = 1 + words + 4;
  await florence.generate({
    ...inputs,
    pixel_values,
    max_new_tokens: length,
    min_new_tokens: length,
  });
}

try {
  await answer(expressions[0]);
  const start = performance.now();
  const before = process.cpuUsage();
  for (const expression of expressions) await answer(expression);
  process.stdout.write(
    `${JSON.stringify({ ms: performance.now() - start, cpuS: cpuSince(before) })}\n`,
  );
} finally {
  rmSync(folder, { recursive: true });
}
