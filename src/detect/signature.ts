import { isFitOfPhoto } from '../core/raster.js';
import type { DetectorCard } from '../formats/model-card.js';
import type { TensorPort } from '../formats/onnx.js';

/** Inputs and outputs of a graph as the runtime tells them. */
export interface GraphSignature {
  readonly inputs: readonly TensorPort[];
  readonly outputs: readonly TensorPort[];
}

/** One thing in which a card and its graph differ. */
export interface Disagreement {
  /** Field of the card. */
  readonly field: string;
  /** What the graph has. */
  readonly graph: string;
  /** What the card says. */
  readonly card: string;
}

/** Where the card says something of the inputs or names an output that the graph does not bear out; empty where all fits. */
export function disagreements(card: DetectorCard, graph: GraphSignature): Disagreement[] {
  const { input } = card;
  const byName = new Map(graph.inputs.map((port) => [port.name, port]));
  const words = textPorts(card);
  const known = new Set([
    input.name,
    ...(input.extra ?? []).map(({ name }) => name),
    ...words.map(({ name }) => name),
  ]);
  const image = byName.get(input.name);
  const found: Disagreement[] = [];
  if (image === undefined) {
    found.push({ field: 'input.name', graph: namesOf(graph.inputs), card: input.name });
  } else {
    found.push(...imageDisagreements(card, image));
  }
  for (const { name, type } of input.extra ?? []) {
    const port = byName.get(name);
    if (port?.type === type) continue;
    found.push({
      field: 'input.extra',
      graph: port ? portText(port) : 'none',
      card: `${name} ${type}`,
    });
  }
  found.push(...textDisagreements(card, words, byName));
  for (const port of graph.inputs) {
    if (known.has(port.name)) continue;
    found.push({ field: 'input.extra', graph: portText(port), card: 'nothing for it' });
  }
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  for (const [role, names] of Object.entries(card.outputs)) {
    const missing = names.filter((name) => !outputs.has(name));
    if (missing.length === 0) continue;
    found.push({
      field: `outputs.${role}`,
      graph: namesOf(graph.outputs),
      card: missing.join(', '),
    });
  }
  return found;
}

interface TextPort {
  readonly role: string;
  readonly name: string;
  /** Prompts and tokens that go in; undefined where it is any number. */
  readonly dims: readonly (number | undefined)[];
}

/** The inputs for a prompt that the card names. */
function textPorts({ family, input: { text, batch } }: DetectorCard): TextPort[] {
  if (!text) return [];
  const photos = batch === 'any' ? undefined : batch;
  const shared = text.prompts === 'any' ? undefined : text.prompts;
  const prompts = family === 'grounding-dino' ? photos : shared;
  const length = text.padded ? text.length : undefined;
  return (['ids', 'mask', 'types'] as const).flatMap((role) => {
    const name = text[role];
    return name === undefined ? [] : [{ role, name, dims: [prompts, length] }];
  });
}

function textDisagreements(
  { input: { text } }: DetectorCard,
  words: readonly TextPort[],
  byName: ReadonlyMap<string, TensorPort>,
): Disagreement[] {
  return words.flatMap(({ role, name, dims }) => {
    const port = byName.get(name);
    const fits =
      port?.type === text?.type &&
      port?.dims.length === dims.length &&
      dims.every((size, axis) => isSize(port.dims[axis]!, size));
    if (fits) return [];
    return {
      field: `input.text.${role}`,
      graph: port ? portText(port) : 'none',
      card: `${name} ${text?.type} [${dims.map((size) => size ?? 'any').join(',')}]`,
    };
  });
}

function imageDisagreements({ input }: DetectorCard, image: TensorPort): Disagreement[] {
  const found: Disagreement[] = [];
  if (image.type !== input.type) {
    found.push({ field: 'input.type', graph: image.type, card: input.type });
  }
  const { width, height, layout, batch } = input;
  const open = isFitOfPhoto(input.fit);
  const [rows, columns] = open ? [undefined, undefined] : [height, width];
  const sides = layout === 'nhwc' ? [rows, columns, 3] : [3, rows, columns];
  const [photos, ...rest] = layout === 'chw' ? [1, ...image.dims] : image.dims;
  const fits = rest.length === 3 && sides.every((size, axis) => isSize(rest[axis]!, size));
  if (!fits) {
    found.push({
      field: 'input',
      graph: `[${image.dims.join(',')}]`,
      card: `[${batch},${sides.map((side) => side ?? 'any').join(',')}] (${layout} of ${width} x ${height})`,
    });
  }
  const fixed = typeof photos === 'number' && photos > 0 ? photos : undefined;
  if (fixed !== undefined && (batch === 'any' || fixed !== 1)) {
    found.push({ field: 'input.batch', graph: `${fixed} photos a run`, card: String(batch) });
  }
  return found;
}

/** Sizes that are names, or negative, are known at run time only; without a size the graph must leave it open. */
function isSize(dim: number | string, size: number | undefined): boolean {
  return typeof dim === 'string' || dim < 0 || dim === size;
}

/** `pixel_values float32 [batch,3,640,640]` */
export function portText({ name, type, dims }: TensorPort): string {
  return `${name} ${type} [${dims.join(',')}]`;
}

function namesOf(ports: readonly TensorPort[]): string {
  return ports.map(({ name }) => name).join(', ') || 'none';
}
