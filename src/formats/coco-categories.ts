/** A category of a label set. */
export interface Category {
  readonly id: number;
  readonly name: string;
}

/** Ids between 1 and 90 that COCO's detection task does not use. */
const UNUSED_IDS = new Set([12, 26, 29, 30, 45, 66, 68, 69, 71, 83]);

const NAMES = [
  'person|bicycle|car|motorcycle|airplane|bus|train|truck|boat|traffic light|fire hydrant|stop sign',
  'parking meter|bench|bird|cat|dog|horse|sheep|cow|elephant|bear|zebra|giraffe|backpack|umbrella',
  'handbag|tie|suitcase|frisbee|skis|snowboard|sports ball|kite|baseball bat|baseball glove',
  'skateboard|surfboard|tennis racket|bottle|wine glass|cup|fork|knife|spoon|bowl|banana|apple',
  'sandwich|orange|broccoli|carrot|hot dog|pizza|donut|cake|chair|couch|potted plant|bed',
  'dining table|toilet|tv|laptop|mouse|remote|keyboard|cell phone|microwave|oven|toaster|sink',
  'refrigerator|book|clock|vase|scissors|teddy bear|hair drier|toothbrush',
].flatMap((row) => row.split('|'));

const IDS = Array.from({ length: 90 }, (_, index) => index + 1).filter((id) => !UNUSED_IDS.has(id));

/**
 * The 80 object categories of COCO with COCO's own ids 1..90, in the order in which models number their classes 0..79.
 * @see https://cocodataset.org, instances_val2017.json
 */
export const COCO_CATEGORIES: readonly Category[] = NAMES.map((name, index) => ({
  id: IDS[index]!,
  name,
}));

/** The same by COCO's own id: index 1 is person, index 90 toothbrush; indices that COCO does not use are empty. */
export const COCO_BY_ID: readonly (Category | undefined)[] = Array.from({ length: 91 }, (_, id) =>
  COCO_CATEGORIES.find((category) => category.id === id),
);
