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
  const ports = new Map(graph.inputs.map((port) => [port.name, port]));
  const known = new Set([input.name]);
  const found: Disagreement[] = [];
  const image = ports.get(input.name);
  if (image) found.push(...imageDisagreements(card, image));
  else found.push({ field: 'input.name', graph: namesOf(graph.inputs), card: input.name });
  for (const { field, name, type, dims } of furtherPorts(card)) {
    known.add(name);
    const port = ports.get(name);
    const fits =
      port?.type === type &&
      (!dims ||
        (port.dims.length === dims.length &&
          dims.every((size, axis) => isSize(port.dims[axis]!, size))));
    if (fits) continue;
    const shape = dims ? ` [${dims.map((size) => size ?? 'any').join(',')}]` : '';
    found.push({ field, graph: port ? portText(port) : 'none', card: `${name} ${type}${shape}` });
  }
  for (const port of graph.inputs) {
    if (known.has(port.name)) continue;
    found.push({ field: 'input.extra', graph: portText(port), card: 'nothing for it' });
  }
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  for (const [role, names] of Object.entries(card.outputs)) {
    const missing = names.filter((name) => !outputs.has(name)).join(', ');
    if (missing === '') continue;
    found.push({ field: `outputs.${role}`, graph: namesOf(graph.outputs), card: missing });
  }
  return found;
}

/** An input beside the photo, as the card tells it. */
interface FurtherPort {
  readonly field: string;
  readonly name: string;
  readonly type: string;
  /** Of a prompt's inputs: prompts and tokens, undefined where any number goes in. */
  readonly dims?: readonly (number | undefined)[];
}

function furtherPorts({
  family,
  graphs,
  input: { extra = [], text, batch },
}: DetectorCard): FurtherPort[] {
  const ports: FurtherPort[] = extra.map(({ name, type }) => ({
    field: 'input.extra',
    name,
    type,
  }));
  // In a model of several graphs others take the text.
  if (!text || graphs) return ports;
  const limit = family === 'grounding-dino' ? batch : text.prompts;
  const dims = [limit === 'any' ? undefined : limit, text.padded ? text.length : undefined];
  for (const role of ['ids', 'mask', 'types'] as const) {
    const name = text[role];
    if (name !== undefined)
      ports.push({ field: `input.text.${role}`, name, type: text.type, dims });
  }
  return ports;
}

function imageDisagreements({ input }: DetectorCard, image: TensorPort): Disagreement[] {
  const found: Disagreement[] = [];
  // Numbers go into a graph of half precision as it takes them, so one card serves both.
  const isHalf = input.type === 'float32' && image.type === 'float16';
  if (image.type !== input.type && !isHalf) {
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
