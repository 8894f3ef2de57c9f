import { type LooseValue, looseValues } from './loose-values.js';

/** What the four numbers of a list are. `yxyx` has the rows first. */
export type BoxLayout = 'xyxy' | 'yxyx' | 'xywh' | 'cxcywh';
/** How long a side of the picture is in the numbers: `own` is what the model was told, the others are 1, 100 and 1000. */
export type Unit = 'own' | 'share' | 'percent' | 'thousandth';

/** How to read a list of numbers. */
export interface ListForm {
  readonly layout: BoxLayout;
  readonly unit: Unit;
}

/** Numbers that stand for a place. */
export interface Shape {
  /** Two opposite corners x, y, x, y; or a point x, y; or none, which says that nothing fits. */
  readonly numbers: readonly number[];
  readonly unit: Unit;
}

type LooseObject = Readonly<Record<string, LooseValue>>;

/** Names below are compared in small letters, without marks and spaces. */
const plain = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '');

/** Keys of what a model decided on, the weightier first. */
const DECIDED = [
  /^(?:my|the)?final/,
  /^(?:answer|result|chosen|choice|select|correct|decision|output|prediction)/,
];
/** Keys and labels of what it did not decide on. */
const NOT_DECIDED =
  /tool|draft|candidate|proposal|thought|think|reason|initial|previous|wrong|reject|alternative|original/;
const BOX_KEY = /box|rect|region|xy|yx|ltrb|ltwh|tlbr|coord|location/;
const POINT_KEY = /^(?:point|click|keypoint)/;
const OUTLINE_KEY = /poly|quad|contour|vert|outline|segmentation|corners/;
const FORM_KEY = /format|layout|unit|scale|mode|system|normali[sz]ed/;
const LABEL_KEY = /^(?:label|source|from|name|role|status|comment|note)$/;

const SIDES = {
  x1: /^(?:x1|xmin|minx|left|l|xstart|startx|xtl|xleft|leftx|(?:topleft|tl)x)$/,
  y1: /^(?:y1|ymin|miny|top|t|ystart|starty|ytl|ytop|topy|(?:topleft|tl)y)$/,
  x2: /^(?:x2|xmax|maxx|right|r|xend|endx|xbr|xright|rightx|(?:bottomright|br)x)$/,
  y2: /^(?:y2|ymax|maxy|bottom|b|yend|endy|ybr|ybottom|bottomy|(?:bottomright|br)y)$/,
  x: /^(?:x1?|xmin|left|l)$/,
  y: /^(?:y1?|ymin|top|t)$/,
  width: /^(?:box)?w(?:idth)?$/,
  height: /^(?:box)?h(?:eight)?$/,
  cx: /^(?:cx|xc|midx|cent(?:er|re)x|xcent(?:er|re))$/,
  cy: /^(?:cy|yc|midy|cent(?:er|re)y|ycent(?:er|re))$/,
};
type Side = keyof typeof SIDES;
/** Pairs of opposite corners. */
const CORNERS = [
  [
    /^(?:topleft|lefttop|upperleft|tl|min|start|from|(?:p|point|corner)1)$/,
    /^(?:bottomright|rightbottom|lowerright|br|max|end|to|(?:p|point|corner)2)$/,
  ],
  [/^(?:topright|righttop|upperright|tr)$/, /^(?:bottomleft|leftbottom|lowerleft|bl)$/],
] as const;
const CENTRE = /^(?:cent(?:er|re)(?:point)?|middle)$/;
const SIZE = /^(?:size|dimensions|extent|wh)$/;

const NAMED_VALUE =
  /(\p{L}[\p{L}\d]*(?:[ _-][\p{L}\d]+)?)["'*\s]*(?:[:=]|\bis\b|\bat\b)?["'*\s]*(?:([[(])\s*(-?[\d.]+%?)\s*,\s*(-?[\d.]+%?)\s*[\])]|(-?\d[\d.]*%?))/gu;

/** The shapes that a value holds, in order. */
export function shapesOf(value: LooseValue, form: ListForm): Shape[] {
  if (value === null) return [{ numbers: [], unit: form.unit }];
  if (typeof value === 'string') return shapesOfText(value, form);
  if (typeof value !== 'object') return [];
  return Array.isArray(value)
    ? shapesOfList(value as readonly LooseValue[], form)
    : shapesOfObject(value as LooseObject, form);
}

/** The shape whose sides or corners words name: `x = 64, y = 48, width = 258, height = 190`. */
export function shapeInWords(text: string, form: ListForm): Shape | undefined {
  const entries = [...text.matchAll(NAMED_VALUE)].map(([, name, bracket, first, second, only]) => {
    const value: LooseValue = bracket ? [first!, second!] : only!;
    return [name!, value] as const;
  });
  const wholeNames = new Fields(entries, form);
  // "the top left" has the name in its last two words, "the left" in the last.
  const lastWords = new Fields(
    entries.map(([name, value]) => [name.split(/[ _-]/).at(-1)!, value]),
    form,
  );
  return wholeNames.box() ?? lastWords.box();
}

/** Two points and nothing else are opposite corners. */
export function pairedCorners(shapes: readonly Shape[]): readonly Shape[] {
  const isPair = shapes.length === 2 && shapes.every(({ numbers }) => numbers.length === 2);
  if (!isPair || shapes[0]!.unit !== shapes[1]!.unit) return shapes;
  return [{ numbers: shapes.flatMap(({ numbers }) => numbers), unit: shapes[0]!.unit }];
}

function shapesOfText(text: string, form: ListForm): Shape[] {
  const values = looseValues(text);
  if (values.length > 0) return values.flatMap(({ value }) => shapesOf(value, form));
  const words = text.trim().split(/[\s,;]+/);
  return words.length > 1 && words.every(measureOf) ? shapesOfList(words, form) : [];
}

function shapesOfList(list: readonly LooseValue[], form: ListForm): Shape[] {
  const shape = shapeOfNumbers(list, form);
  if (shape) return [shape];
  // A null among numbers is a coordinate that the model does not know, not the word for nothing.
  const isBroken = list.some(measureOf);
  const items = isBroken ? list.filter((item) => item !== null) : decidedItems(list);
  return [...pairedCorners(items.flatMap((item) => shapesOf(item, form)))];
}

/** A list without the items that are labelled as drafts, or as boxes of tools. */
function decidedItems(list: readonly LooseValue[]): readonly LooseValue[] {
  const decided = list.filter((item) => {
    const labels = Object.entries(Object(item)).filter(([key]) => LABEL_KEY.test(plain(key)));
    return !labels.some(([, label]) => typeof label === 'string' && NOT_DECIDED.test(plain(label)));
  });
  return decided.length > 0 ? decided : list;
}

/** Undefined where the list holds other things than numbers, or another count than that of a place. */
function shapeOfNumbers(list: readonly LooseValue[], form: ListForm): Shape | undefined {
  if (list.length === 0) return { numbers: [], unit: form.unit };
  const measures = list.map(measureOf);
  const units = new Set(measures.map((measure) => measure?.unit));
  if (units.size !== 1 || !measures.every((measure) => measure !== undefined)) return undefined;
  const numbers = measures.map(({ number }) => number);
  const unit = measures[0]!.unit ?? unitOf(numbers, form.unit);
  const [a, b, c, d] = numbers as [number, number, number, number];
  const isYFirst = form.layout === 'yxyx';
  if (numbers.length === 2) return { numbers: isYFirst ? [b, a] : [a, b], unit };
  if (numbers.length !== 4) return undefined;
  const corners = {
    xyxy: [a, b, c, d],
    yxyx: [b, a, d, c],
    xywh: [a, b, a + c, b + d],
    cxcywh: [a - c / 2, b - d / 2, a + c / 2, b + d / 2],
  };
  return { numbers: corners[form.layout], unit };
}

/** Whole numbers of 0 and 1 may be pixels; a fraction below 1 is a share of the side for any model. */
function unitOf(numbers: readonly number[], unit: Unit): Unit {
  const isShare =
    numbers.every((value) => value >= 0 && value <= 1) && !numbers.every(Number.isInteger);
  return unit === 'own' && isShare ? 'share' : unit;
}

function shapesOfObject(object: LooseObject, outer: ListForm): Shape[] {
  const entries = Object.entries(object);
  if (entries.length === 0) return [{ numbers: [], unit: outer.unit }];
  const form = formIn(entries, outer);
  const places = entries.filter(
    ([key, value]) => mayHoldPlace(value) && !FORM_KEY.test(plain(key)),
  );
  const inKey = (pattern: RegExp) =>
    places.find(([key]) => pattern.test(plain(key)) && !NOT_DECIDED.test(plain(key)));
  const chosen = DECIDED.map((pattern) => places.find(([key]) => pattern.test(plain(key)))).find(
    Boolean,
  );
  const boxed = chosen ?? inKey(BOX_KEY);
  if (boxed) {
    const shapes = shapesOf(boxed[1], namedForm(boxed[0], form));
    // Two numbers under the name of a box are half of one.
    return chosen ? shapes : shapes.filter(({ numbers }) => numbers.length !== 2);
  }
  const fields = new Fields(entries, form);
  const box = fields.box();
  if (box) return [box];
  const outline = inKey(OUTLINE_KEY);
  if (outline) return outlineOf(outline[1], form);
  const point = inKey(POINT_KEY);
  if (point) return shapesOf(point[1], form);
  const xy = fields.pick('x', 'y');
  if (xy) return [xy];
  const rest = places.filter(([key, value]) => value !== null && !NOT_DECIDED.test(plain(key)));
  return rest.flatMap(([, value]) => shapesOf(value, form));
}

/** Lists, objects and null may; words only with a number in them. */
function mayHoldPlace(value: LooseValue): boolean {
  return typeof value === 'string' ? /\d/.test(value) : typeof value === 'object';
}

/** The box around all points of an outline. */
function outlineOf(value: LooseValue, form: ListForm): Shape[] {
  const flat = [value].flat(3) as LooseValue[];
  const numbers = flat.map((item) => measureOf(item)?.number);
  if (
    numbers.length < 6 ||
    numbers.length % 2 === 1 ||
    !numbers.every((each) => each !== undefined)
  ) {
    return [];
  }
  const xs = numbers.filter((_, index) => index % 2 === 0);
  const ys = numbers.filter((_, index) => index % 2 === 1);
  const corners = [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)];
  return [{ numbers: corners, unit: unitOf(numbers, form.unit) }];
}

/** The form that fields such as `"format": "xywh"` or `"normalized": true` tell. */
function formIn(entries: readonly (readonly [string, LooseValue])[], outer: ListForm): ListForm {
  let form = outer;
  for (const [key, value] of entries) {
    if (!FORM_KEY.test(plain(key))) continue;
    if (typeof value === 'string') form = namedForm(value, form);
    if (value === true) form = namedForm(key, form);
    if (value === 1 || value === 100 || value === 1000) {
      form = { ...form, unit: value === 1 ? 'share' : value === 100 ? 'percent' : 'thousandth' };
    }
  }
  return form;
}

/** The form that a name tells: that of a key, or of a format. Gemini writes `box_2d` with the rows first. */
function namedForm(name: string, { layout, unit }: ListForm): ListForm {
  const known = plain(name);
  const layouts: readonly (readonly [RegExp, BoxLayout])[] = [
    [/yxyx|tlbr|ymin,?xmin|y1x1|^box2ds?$/, 'yxyx'],
    [/cxcy|xcyc|cent(?:er|re)|yolo/, 'cxcywh'],
    [/xywh|ltwh|xywidth|lefttopwidth|coco/, 'xywh'],
    [/xyxy|ltrb|x1y1|xmin|voc|^bbox2ds?$/, 'xyxy'],
  ];
  const units: readonly (readonly [RegExp, Unit])[] = [
    [/percent|pct/, 'percent'],
    [/1000|thousand|permille/, 'thousandth'],
    [/norm|relative|fraction|share|ratio/, 'share'],
  ];
  return {
    layout: layouts.find(([pattern]) => pattern.test(known))?.[1] ?? layout,
    unit: units.find(([pattern]) => pattern.test(known))?.[1] ?? unit,
  };
}

/** Fields of which some name sides, corners, or centre and size. */
class Fields {
  readonly #values: ReadonlyMap<string, LooseValue>;

  constructor(
    entries: readonly (readonly [string, LooseValue])[],
    private readonly form: ListForm,
  ) {
    const values = new Map(entries.map(([name, value]) => [plain(name), value]));
    // Where corners count from 0, the second is 1.
    if (values.has('x0') && values.has('y0')) {
      for (const axis of ['x', 'y']) {
        const second = values.get(`${axis}2`) ?? values.get(`${axis}1`);
        values.set(`${axis}1`, values.get(`${axis}0`)!);
        if (second !== undefined) values.set(`${axis}2`, second);
      }
    }
    this.#values = values;
  }

  box(): Shape | undefined {
    return (
      this.pick('x1', 'y1', 'x2', 'y2') ??
      this.#sized(this.pick('cx', 'cy', 'width', 'height'), 'cxcywh') ??
      this.#sized(this.pick('x', 'y', 'width', 'height'), 'xywh') ??
      this.#ranges() ??
      this.#opposite() ??
      this.#centred()
    );
  }

  /** The numbers of sides; undefined where one is missing, or their units differ. */
  pick(...sides: readonly Side[]): Shape | undefined {
    return this.#plainShape(sides.map((side) => this.#find(SIDES[side])));
  }

  #find(pattern: RegExp): LooseValue | undefined {
    for (const [name, value] of this.#values) if (pattern.test(name)) return value;
    return undefined;
  }

  /** Numbers as they are, whatever the layout of lists is. */
  #plainShape(values: readonly (LooseValue | undefined)[]): Shape | undefined {
    if (!values.every((value) => value !== undefined && value !== null)) return undefined;
    return shapeOfNumbers(values as readonly LooseValue[], { ...this.form, layout: 'xyxy' });
  }

  #sized(shape: Shape | undefined, layout: BoxLayout): Shape | undefined {
    return (
      shape && { ...shapeOfNumbers(shape.numbers, { layout, unit: shape.unit })!, unit: shape.unit }
    );
  }

  /** `{"x": [64, 322], "y": [48, 238]}`, `{"x": {"min": 64, "max": 322}, ..}` */
  #ranges(): Shape | undefined {
    const [x, y] = [this.#find(/^x(?:range)?$/), this.#find(/^y(?:range)?$/)].map((value) =>
      value !== null && typeof value === 'object' ? Object.values(value) : [],
    ) as [LooseValue[], LooseValue[]];
    return x.length === 2 && y.length === 2
      ? this.#plainShape([x[0], y[0], x[1], y[1]])
      : undefined;
  }

  #opposite(): Shape | undefined {
    for (const pair of CORNERS) {
      const points = pair.map((pattern) => this.#pointOf(this.#find(pattern)));
      if (points[0] && points[1]) return pairedCorners(points as Shape[])[0];
    }
    return undefined;
  }

  #centred(): Shape | undefined {
    const centre = this.#pointOf(this.#find(CENTRE));
    const size = this.#find(SIZE);
    const sides = size === undefined ? this.pick('width', 'height') : this.#pointOf(size);
    if (!centre || !sides || centre.unit !== sides.unit) return undefined;
    return this.#sized(
      { numbers: [...centre.numbers, ...sides.numbers], unit: centre.unit },
      'cxcywh',
    );
  }

  /** A point, or a size, as a list or as an object. */
  #pointOf(value: LooseValue | undefined): Shape | undefined {
    if (value === null || typeof value !== 'object') return undefined;
    if (Array.isArray(value)) {
      const shape = shapeOfNumbers(value as readonly LooseValue[], this.form);
      return shape?.numbers.length === 2 ? shape : undefined;
    }
    const fields = new Fields(Object.entries(value as LooseObject), this.form);
    return fields.pick('x', 'y') ?? fields.pick('width', 'height');
  }
}

/** A number, with the unit that is written behind it. */
function measureOf(
  value: LooseValue,
): { readonly number: number; readonly unit?: Unit } | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? { number: value } : undefined;
  if (typeof value !== 'string') return undefined;
  const found = /^\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?)\s*(%|‰|px|pixels?)?\s*$/i.exec(value);
  if (!found) return undefined;
  const unit = ({ '%': 'percent', '‰': 'thousandth' } as const)[found[2] ?? ''];
  return { number: Number(found[1]), unit };
}
