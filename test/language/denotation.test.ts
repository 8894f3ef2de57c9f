import { describe, expect, it } from 'vitest';
import { denotationsOf, headKnowledge, labelsDenied } from '../../src/language/denotation.js';
import { parseExpression } from '../../src/language/parser.js';

const COCO =
  'person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,' +
  'backpack,umbrella,handbag,tie,suitcase,skis,sports ball,baseball bat,wine glass,cup,bowl,apple,orange,banana,hot dog,' +
  'pizza,chair,couch,potted plant,dining table,toilet,tv,laptop,mouse,remote,cell phone,refrigerator,book,teddy bear';
const denoted = (text: string, labels = COCO.split(',')) =>
  denotationsOf(parseExpression(text), labels);
const names = (text: string, labels?: string[]) => [...denoted(text, labels).keys()];

describe('denotationsOf', () => {
  it.each([
    ['the dog', ['dog']],
    ['dogs', ['dog']],
    ['a jeep', ['car']],
    ['toddler', ['person']],
    ['the shortstop', ['person']],
    ['guy in red', ['person']],
    ['fire engine', ['truck']],
    ['golden retriever', ['dog']],
    ['pigeon', ['bird']],
    ['sofa', ['couch']],
    ['the kitchen table', ['dining table']],
    ['chair', ['chair']],
    ['computer mouse', ['mouse']],
    ['bat', ['baseball bat']],
    ['hot dog', ['hot dog']],
    ['fruit', ['apple', 'orange', 'banana']],
    ['the jeans', ['person']],
    [
      'furniture',
      ['bench', 'chair', 'couch', 'bed', 'dining table'].filter(
        (l) => COCO.includes(l) && l !== 'bed',
      ),
    ],
    ['the lamp post', []],
    ['2nd from left', []],
  ])('%s', (text, labels) => expect(names(text)).toEqual(labels));

  it('knows the noun in a piece of the expression that a tool gives as label, but not in other names', () => {
    expect(names('the left lion', ['left lion', 'lion', 'right', 'sealion'])).toEqual([
      'left lion',
      'lion',
    ]);
    expect(names('the dog', ['hot dog', 'left dog', 'dogged'])).toEqual(['left dog']);
  });

  it('weighs the label itself before its kinds, and wearers least', () => {
    expect(denoted('car').get('car')).toEqual({ weight: 1, kind: 'exact' });
    expect(denoted('vehicle').get('car')?.kind).toBe('hypernym');
    expect(denoted('shirt').get('person')).toMatchObject({ kind: 'worn' });
    expect(denoted('shirt').get('person')!.weight).toBeLessThan(
      denoted('vehicle').get('car')!.weight,
    );
  });

  it('leaves out what is denied, but for a kind that its label cannot tell from another', () => {
    const all = ['car', 'bus', 'person', 'dog'];
    expect(names("vehicle that isn't a car", all)).toEqual(['bus']);
    expect(names('person who is not a skier', all)).toEqual(['person']);
    expect(names('everything but the dogs', all)).toEqual([]);
    expect([...labelsDenied(parseExpression('everything but the dogs'), all)]).toEqual(['dog']);
    expect([...labelsDenied(parseExpression('everything but the red dogs'), all)]).toEqual([]);
    const anything = parseExpression('not a dog');
    expect([...labelsDenied(anything, all)]).toEqual(['dog']);
    expect([...labelsDenied(anything, ['dog'])]).toEqual([]);
  });

  it('serves labels of other sets: equal names, plurals, synonyms, kinds', () => {
    const voc = [
      'aeroplane',
      'sofa',
      'tvmonitor',
      'diningtable',
      'motorbike',
      'taxi',
      'Traffic_Light',
      'lamp',
    ];
    expect(names('lamps', voc)).toEqual(['lamp']);
    expect(names('desk lamp', voc)).toEqual(['lamp']);
    expect(names('couch', voc)).toEqual(['sofa']);
    expect(names('plane', voc)).toEqual(['aeroplane']);
    expect(names('traffic lights', voc)).toEqual(['Traffic_Light']);
    expect(denoted('car', voc).get('taxi')).toEqual({ weight: 0.8, kind: 'hypernym' });
    expect(names('jeep', voc)).toEqual([]);
  });
});

describe('headKnowledge', () => {
  it.each([
    ['the left dogs', 'named dog'],
    ['the sofa', 'named couch'],
    ['a jeep', 'narrower car'],
    ['a vehicle', 'wider car'],
    ['the red shirt', 'worn person'],
    ['the opera house', 'other-kind'],
    ['the fluffy zorp', 'no-word'],
    ['2nd from left', 'unnamed'],
  ])('%s is %s', (text, known) => {
    const { kind, label } = headKnowledge(parseExpression(text));
    expect(`${kind} ${label ?? ''}`.trim()).toBe(known);
  });
});
