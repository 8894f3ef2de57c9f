import type { Situation } from './situation.js';

/** Where things of a label are mostly seen; labels in neither list tell nothing. */
const OUTDOORS = new Set(
  (
    'bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant,stop sign,parking meter,bird,horse,sheep,' +
    'cow,elephant,bear,zebra,giraffe,frisbee,skis,snowboard,kite,baseball bat,baseball glove,skateboard,surfboard,' +
    'tennis racket,sports ball'
  ).split(','),
);
const INDOORS = new Set(
  (
    'bottle,wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog,pizza,donut,cake,chair,' +
    'couch,potted plant,bed,dining table,toilet,tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,' +
    'refrigerator,book,clock,vase,scissors,teddy bear,hair drier,toothbrush'
  ).split(','),
);
/** Boxes that are less likely to be real say nothing of the place. */
const LIKELY = 0.3;

/**
 * How unlikely a thing of the kind named is in the place that the other boxes show, -1..1: near 1 for a giraffe among sinks
 * and ovens, near -1 for a cup among them, 0 where either is not known. Each box counts as far as it is likely to be real.
 */
export function contextOf({ candidates, table, meanings, knowledge }: Situation): number {
  const label = meanings.keys().next().value ?? knowledge.label;
  if (label === null || label === undefined) return 0;
  const side = OUTDOORS.has(label) ? 1 : INDOORS.has(label) ? -1 : 0;
  if (side === 0) return 0;
  let outdoors = 0;
  for (const [at, { label: other }] of candidates.entries()) {
    const chance = table.existences[at]!;
    if (other === undefined || meanings.has(other) || chance < LIKELY) continue;
    if (OUTDOORS.has(other)) outdoors += chance;
    else if (INDOORS.has(other)) outdoors -= chance;
  }
  return -side * Math.tanh(outdoors / 2);
}
