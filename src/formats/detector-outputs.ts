/** What a family reads from its graph. */
interface FamilyOutputs {
  /** Sets of roles; a card names outputs for all roles of one set. */
  readonly roles: readonly (readonly string[])[];
  /** Whether boxes are told by cells of `decoding.strides`. */
  readonly grid: boolean;
  /** Whether the card must say what makes scores of logits. */
  readonly activation: boolean;
}

/** Families whose input packing and output decoding are known. */
export const FAMILY_OUTPUTS = {
  centernet: { roles: [['scores', 'sides']], grid: true, activation: false },
  'nanodet-plus': { roles: [['predictions']], grid: true, activation: false },
  picodet: { roles: [['scores', 'distances'], ['rows']], grid: true, activation: false },
  yolox: { roles: [['predictions']], grid: true, activation: false },
  yolo: { roles: [['predictions']], grid: true, activation: false },
  detr: { roles: [['logits', 'boxes']], grid: false, activation: true },
  deim: { roles: [['labels', 'boxes', 'scores']], grid: false, activation: false },
  ssd: { roles: [['boxes', 'scores', 'classes']], grid: false, activation: false },
  'grounding-dino': { roles: [['logits', 'boxes']], grid: false, activation: false },
  owlv2: { roles: [['logits', 'boxes']], grid: false, activation: false },
  owlvit: { roles: [['logits', 'boxes']], grid: false, activation: false },
} as const satisfies Record<string, FamilyOutputs>;

export type DetectorFamilyName = keyof typeof FAMILY_OUTPUTS;

/** Families that are asked in words. */
export const PROMPTED_FAMILY_NAMES = [
  'grounding-dino',
  'owlv2',
  'owlvit',
] as const satisfies DetectorFamilyName[];

export type PromptedFamilyName = (typeof PROMPTED_FAMILY_NAMES)[number];

/** Families with labels of their own. */
export type ClosedFamilyName = Exclude<DetectorFamilyName, PromptedFamilyName>;

/** Whether detectors of the family are asked in words. */
export function isPromptedFamily(family: DetectorFamilyName): family is PromptedFamilyName {
  return (PROMPTED_FAMILY_NAMES as readonly DetectorFamilyName[]).includes(family);
}

export const FAMILY_NAMES = Object.keys(FAMILY_OUTPUTS) as DetectorFamilyName[];

/** The roles of a family in words: `scores and distances, or rows`. */
export function rolesText(family: DetectorFamilyName): string {
  return FAMILY_OUTPUTS[family].roles.map((set) => set.join(' and ')).join(', or ');
}
