import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Expression } from '../../src/language/expression.js';
import { parseExpression } from '../../src/language/parser.js';

/** One line a person can read: `<head> attributes | selectors | relations`. */
function outline(expression: Expression): string {
  const { head, attributes, selectors, relations, count, deniedKinds, leftovers } = expression;
  const parts = [
    `<${head === null ? '' : head.lemma}${head?.plural ? '+' : ''}>`,
    ...attributes.map(
      (a) =>
        `${a.negated ? '!' : ''}${a.shade ? `${a.shade}~` : ''}${a.value}@${a.part}${a.owner === null ? '' : `/${a.owner}`}`,
    ),
    ...selectors.map(
      (s) => `${s.negated ? '!' : ''}${s.axis}.${s.end}${s.rank ?? ''}${s.assumed ? '?' : ''}`,
    ),
    ...relations.map(
      (r) => `${r.negated ? '!' : ''}${r.kind}(${r.landmarks.map(outline).join('; ')})`,
    ),
    ...(count === null ? [] : [`n=${count}`]),
    ...deniedKinds.map(({ lemma }) => `no-${lemma}`),
    ...(leftovers.length > 0 ? [`?${leftovers.join(',')}`] : []),
  ];
  return parts.join(' ');
}

const parsed = (text: string) => outline(parseExpression(text));

describe('head noun', () => {
  it.each([
    ['', '<>'],
    ['left guy', '<guy> x.min'],
    ['lion left', '<lion> x.min'],
    ['far right man', '<man> x.max1'],
    ['zebra in front', '<zebra> depth.min'],
    ['2nd from left', '<> x.min2'],
    ['the one in red', '<> red@worn wearing(<> red@whole)'],
    ['two fire engines', '<fire engine+> n=2'],
    ['a hot dog', '<hot dog>'],
    ['a vintage white car', '<car> white@whole vintage@whole'],
    ['the baby zebra', '<zebra> baby@whole'],
    ['an orange', '<orange>'],
    ['the constructor on the left', '<constructor> x.min'],
    ['__proto__ toString', '<tostring> proto@whole'],
    ['an orange umbrella', '<umbrella> orange@whole'],
    ['slice of pizza', '<pizza> slice@whole'],
    ['the pizza slices on the left', '<pizza+> x.min'],
    ['the orange slice', '<orange>'],
    ['slice on the left', '<slice> x.min'],
    ['a black pick-up truck', '<pickup truck> black@whole'],
    ['A reflection of a man', '<man> reflection@whole'],
    ['the blonde on the left', '<person> yellow@whole x.min'],
    ['the blond one', '<> yellow@whole'],
    ['who is the one in red', '<person> red@worn wearing(<> red@whole)'],
    ['two girrafes next to the elaphant', '<giraffe+> next-to(<elephant>) n=2'],
    ['the sandwhich', '<sandwich>'],
    ['a glass of juice', '<glass> of(<juice>)'],
    ["the child's umbrella", '<umbrella> of(<child>)'],
    ['There is a person on a horse', '<person> on(<horse>)'],
    ['blue shirt, lady', '<lady> blue@upper/shirt wearing(<shirt> blue@upper)'],
    ['who is holding the blue mug', '<person> holding(<mug> blue@whole)'],
    ['Where can I litter?', '<> ?litter'],
  ])('%s', (text, outlined) => expect(parsed(text)).toBe(outlined));
});

describe('participles', () => {
  it.each([
    ['the mixing bowl on the left', '<mixing bowl> x.min'],
    ['the cutting board', '<board> cutting@whole'],
    ['the moving car', '<car> moving@whole'],
    ['holding umbrella', '<> holding(<umbrella>)'],
    ['the one eating', '<> other()'],
    ['eating pizza', '<> other(<pizza>)'],
  ])('%s', (text, outlined) => expect(parsed(text)).toBe(outlined));
});

describe('bearers', () => {
  it.each([
    ["the frisbee in the man's hand", '<frisbee> with(<man>)'],
    ['phone in his left hand', '<phone> with(<person>)'],
    ['cup in the hand of the boy on the left', '<cup> x.min with(<boy>)'],
    ["ball in the dog's mouth", '<ball> with(<dog>)'],
    ['the bike he is riding', '<bike> with(<person>)'],
    ["the umbrella she's holding", '<umbrella> with(<person>)'],
    ['the bus driving away', '<bus> riding(<> away@whole)'],
    ['the bike he is not riding', '<bike> !with(<person>)'],
    ['the bus you can see parked', '<bus> other() ?see'],
    ["banana in the monkey's hand", '<banana> in(<hand> of(<monkey>))'],
    ["chair to the left of the man's head", '<chair> left-of(<man>)'],
    ['man with a phone in his hand', '<man> with(<phone>) in(<hand>)'],
    ['empty chair', '<chair> empty@whole !with(<person>)'],
    ['empty bowl', '<bowl> empty@whole'],
    ['the bench with nobody on it', '<bench> !with(<person>) on()'],
    ['not an empty chair', '<chair> !empty@whole'],
  ])('%s', (text, outlined) => expect(parsed(text)).toBe(outlined));
});

describe('selectors', () => {
  it.each([
    ['the largest dog', '<dog> size.max1'],
    ['third largest boat', '<boat> size.max3'],
    ['the smaller horse', '<horse> size.min'],
    ['the tallest giraffe', '<giraffe> height.max1'],
    ['second car from the right', '<car> x.max2'],
    ['kid 2nd left', '<kid> x.min2'],
    ['third person', '<person> x.min3?'],
    ['the man walking in front', '<man> depth.min'],
    ['the man walking in front of the bus', '<man> in-front-of(<bus>)'],
    ['nothing but the left dog', '<nothing> x.min with(<dog>)'],
    ['top left corner', '<> y.min x.min'],
    ['the upper sink', '<sink> y.min'],
    ['person left of center', '<person> x.min'],
    ['the cup slightly to the right of the middle', '<cup> x.max'],
    ['dog left of the middle dog', '<dog> left-of(<dog> x.middle)'],
    ['the car way in the back', '<car> depth.max'],
    ['the bottommost bowl', '<bowl> y.max1'],
    ['chair in the middle', '<chair> x.middle'],
    ['man closest to us', '<man> depth.min1'],
    ['the dog farthest from the camera', '<dog> depth.max1'],
    ['back giraffe', '<giraffe> depth.max'],
    ['person in the background', '<person> depth.max'],
    ['bus behind', '<bus> depth.max'],
    ['on the left side of the picture', '<> x.min'],
    ['the giraffe whose head is down', '<giraffe> with(<head>) other()'],
    ['person wearing a black top', '<person> black@upper/top wearing(<top> black@upper)'],
    ['lady with her back to us', '<lady> with(<back>) other()'],
  ])('%s', (text, outlined) => expect(parsed(text)).toBe(outlined));

  it('keeps the words that chose', () => {
    expect(parseExpression('second dog from the far right').selectors).toEqual([
      {
        axis: 'x',
        end: 'max',
        rank: 2,
        assumed: false,
        negated: false,
        words: 'second from the far right',
      },
    ]);
  });
});

describe('places by other names', () => {
  it.each([
    ["the cup at 3 o'clock", '<cup> x.max'],
    ['10 o clock broccoli', '<broccoli> y.min x.min'],
    ['the clock on the wall', '<clock> on(<wall>)'],
    ['the westmost sheep', '<sheep> x.min'],
    ['southeast donut', '<donut> y.max x.max'],
    ['southwest plane', '<plane> southwest@whole'],
    ['bottomright bowl', '<bowl> y.max x.max'],
    ['leftside plant', '<plant> x.min'],
    ['dog no. 1', '<dog> x.min1?'],
    ['#2', '<> x.min2?'],
    ['number two dog', '<dog> x.min2?'],
    ['dog two', '<dog> x.min2?'],
    ['dog no 2 from left', '<dog> x.min2'],
    ['2. dog from left', '<dog> x.min2'],
    ['From the left: 3rd dog', '<dog> x.min3'],
    ['player number 23', '<player> with(<number>) ?23'],
    ['the tall man', '<man> height.max'],
    ['short hair guy', '<guy> small@whole wearing(<hair>)'],
    ['close zebra', '<zebra> depth.min'],
    ['zebra close to the tree', '<zebra> next-to(<tree>)'],
    ['man seen from behind', '<man> facing()'],
    ['woman from the back', '<woman> facing()'],
    ['second from the back', '<> depth.max2'],
    ['kid furthest right of the four', '<kid> x.max1'],
    ['luggage on the far - right', '<luggage> x.max1'],
    ['right side of the bed', '<bed> x.max'],
    ['the player on the right is wearing a cap', '<player> x.max wearing(<cap>)'],
    [
      'a red car on street with utility vehicles in background',
      '<car> red@whole on(<street> with(<vehicle+> utility@whole depth.max))',
    ],
    ['a tv on a tv stand', '<tv> on(<stand> tv@whole)'],
    ['zebra in front of two others', '<zebra> in-front-of(<zebra+> n=2)'],
    ['the dog left of the other one', '<dog> left-of(<dog> other@whole)'],
  ])('%s', (text, outlined) => expect(parsed(text)).toBe(outlined));
});

describe('attributes', () => {
  it.each([
    ['red car', '<car> red@whole'],
    ['dark blue car', '<car> dark~blue@whole'],
    ['man in red', '<man> red@worn wearing(<> red@whole)'],
    ['man in the red shirt', '<man> red@upper/shirt wearing(<shirt> red@upper)'],
    [
      'guy far left blue shirt white shorts',
      '<guy> blue@upper/shirt white@lower/shorts x.min1 wearing(<shirt> blue@upper) wearing(<shorts> white@lower)',
    ],
    ['red shirt guy', '<guy> red@upper/shirt wearing(<shirt> red@upper)'],
    ['man white hair', '<man> white@head/hair wearing(<hair> white@head)'],
    ['blonde girl', '<girl> yellow@head/hair'],
    ['a small cat', '<cat> small@whole'],
    ['plaid shirt', '<shirt> plaid@upper'],
    ['a bag that is not blue', '<bag> !blue@whole'],
    ['the bottle that is not orange', '<bottle> !orange@whole'],
    ['the bus but not the red one', '<bus> !red@whole'],
    ['double decker, orange bus', '<double decker> orange@whole'],
  ])('%s', (text, outlined) => expect(parsed(text)).toBe(outlined));
});

describe('relations', () => {
  it.each([
    ['the cup next to the laptop', '<cup> next-to(<laptop>)'],
    ['cup to the left of the laptop', '<cup> left-of(<laptop>)'],
    ['the dog left of the cat', '<dog> left-of(<cat>)'],
    ['woman with the umbrella', '<woman> with(<umbrella>)'],
    ['frisbee guy', '<guy> with(<frisbee>)'],
    ['person not holding anything', '<person> !holding(<anything>)'],
    ['an armchair without a towel', '<armchair> !with(<towel>)'],
    ['person not wearing a hat or holding a trophy', '<person> !wearing(<hat>) !holding(<trophy>)'],
    ['the man between the car and the bus', '<man> between(<car>; <bus>)'],
    ['laptop between two monitors', '<laptop> between(<monitor+> n=2)'],
    ['pizza on the plate near the knife', '<pizza> on(<plate> next-to(<knife>))'],
    ['man riding a horse in front of a fence', '<man> riding(<horse>) in-front-of(<fence>)'],
    ['the cup closest to the plate', '<cup> next-to(<plate>)'],
    ['the vulture farther from the log', '<vulture> far-from(<log>)'],
    ['the person furthest away from the dog', '<person> far-from(<dog>)'],
    ['the woman other than the one with the bag', '<woman> !with(<bag>)'],
    ['cup excluding the leftmost', '<cup> !x.min1'],
    ['the dog other than the left', '<dog> !x.min'],
    ['anyone but the rightmost', '<anyone> !x.max1'],
    ['dog instead of the left one', '<dog> !x.min'],
    ['dog in the left car', '<dog> in(<car> x.min)'],
    ['dog in the car on the left', '<dog> x.min in(<car>)'],
    ['a giraffe leaning to the left', '<giraffe> facing()'],
    ['a zebra behind two other zebras', '<zebra> behind(<zebra+> other@whole n=2)'],
  ])('%s', (text, outlined) => expect(parsed(text)).toBe(outlined));
});

describe('what is denied', () => {
  it.each([
    ["Vehicle that isn't a car", '<vehicle> no-car'],
    ['animal that is neither a dog nor a cat', '<animal> no-dog no-cat'],
    ['furniture except the couch and the chair', '<furniture> no-couch no-chair'],
    ['animal other than the dog', '<animal> no-dog'],
    ['not a dog', '<> no-dog'],
    ['any animal but a dog', '<animal> no-dog'],
    ['the person not on the left under the umbrella', '<person> !x.min below(<umbrella>)'],
    ['the person not in the top left corner', '<person> !y.min !x.min'],
    ['the one that is not a dog', '<> no-dog'],
    ['not the left dog', '<dog> !x.min'],
    ['the cup, not the red cup', '<cup> !red@whole'],
    ["the vehicle that isn't a red car", '<vehicle> !red@whole ?car'],
    ['table no chairs', '<table> !with(<chair+>)'],
    ['boy with bear and no hat', '<boy> with(<bear>) !wearing(<hat>)'],
    ['man with neither hat nor glasses', '<man> !with(<hat>) !wearing(<glasses>)'],
    ['the man not wearing a hat on the right', '<man> x.max !wearing(<hat>)'],
    ['man not wearing a hat holding a ball', '<man> !wearing(<hat>) holding(<ball>)'],
    ['the dog that is not black on the left', '<dog> !black@whole x.min'],
    ['the cup not on the table next to the plate', '<cup> !on(<table> next-to(<plate>))'],
    ['person not holding a bag or riding a horse', '<person> !holding(<bag>) !riding(<horse>)'],
    ['not the man on the left', '<man> !x.min'],
  ])('%s', (text, outlined) => expect(parsed(text)).toBe(outlined));
});

describe('one of a group', () => {
  it.each([
    ['the bigger of the two dogs', '<dog> size.max'],
    ['the leftmost of the three red cars', '<car> red@whole x.min1'],
    ['one of the dogs', '<dog>'],
    ['second to last person', '<person> x.max2'],
    ['the penultimate dog', '<dog> x.max2'],
    ['third from the end', '<> x.max3'],
    ['twelfth person from the left', '<person> x.min12'],
  ])('%s', (text, outlined) => expect(parsed(text)).toBe(outlined));
});

/** `one`, `all`, `all?`, `2`; then the exceptions. */
function asked(text: string): string {
  const { quantity, exceptions } = parseExpression(text);
  const many =
    quantity.kind === 'one'
      ? 'one'
      : `${quantity.kind === 'all' ? 'all' : quantity.n}${quantity.sure ? '' : '?'}`;
  return [many, ...exceptions.map((left) => `- ${outline(left)}`)].join(' ');
}

describe('how many are asked for', () => {
  it.each([
    ['the zebra', 'one'],
    ['all the zebras', 'all'],
    ['all zebras', 'all'],
    ['all of the dogs on the left', 'all'],
    ['every cup', 'all'],
    ['each of the dogs', 'all'],
    ['both planes', '2'],
    ['both of the dogs', '2'],
    ['the three cups', '3'],
    ['two dogs on the left', '2'],
    ['two of the dogs', '2'],
    ['everyone in red', 'all'],
    ['everybody', 'all'],
    ['the dogs', 'all?'],
    ['people waiting on the platform', 'all?'],
    ['some of the dogs', 'all?'],
    ['how many zebras are there?', 'all'],
    ['How many people can you see on the left', 'all'],
    ['count the zebras', 'all'],
    ['one of the dogs', 'one'],
    ['the bigger of the two dogs', 'one'],
    ['glasses', 'one'],
    ['scissors', 'one'],
    ['the blue pants', 'one'],
    ['red shoes', 'one'],
    ['the group of people', 'one'],
    ['a bunch of bananas', 'one'],
    ['man in all white', 'one'],
    ['all white cat', 'one'],
    ['two story bus', 'one'],
    ['guy with both hands up', 'one'],
    ['kids next to each other', 'all?'],
    ['all cups except the leftmost', 'all - <cup> x.min1'],
    ['all cups except the leftmost one', 'all - <cup> x.min1'],
    ['everyone but the child', 'all - <child>'],
    ['all the animals except the dog and the cat', 'all - <dog> - <cat>'],
    ['both men but not the one in red', '2 - <man> red@worn wearing(<> red@whole)'],
    ['dogs all but the one on the left', 'all - <dog> x.min1'],
    ['the men except for the ones that are in front', 'all? - <man> depth.min'],
    ['everything but the birds', 'all - <bird+>'],
    ['the dogs except the tall brown one', 'all? - <dog> brown@whole height.max'],
    ['any animal but a dog', 'one'],
  ])('%s: %s', (text, quantity) => expect(asked(text)).toBe(quantity));

  it.each([
    ['all the zebras', '<zebra+>'],
    ['how many zebras are there?', '<zebra+>'],
    ['How many people can you see on the left', '<person+> x.min'],
    ['both of the dogs', '<dog+>'],
    ['two of the dogs', '<dog+>'],
    ['everyone in red', '<everyone> red@worn wearing(<> red@whole)'],
    ['all cups except the leftmost', '<cup+>'],
  ])('%s is about %s', (text, outlined) => expect(parsed(text)).toBe(outlined));
});

describe('words around an expression', () => {
  it.each([
    [
      'Please find the bounding box of the left cup.',
      'the left cup',
      'please find the bounding box of',
    ],
    ['<image> <ref>the left cup</ref>', 'the left cup', 'image ref ref'],
    ['object: right dog', 'right dog', 'object'],
    ['location of the left cup', 'the left cup', 'location of'],
    ['a photo of a dog', 'a dog', 'a photo of'],
    ['right dog </s>', 'right dog', 's'],
    [
      'Provide the bounding box of the region this sentence describes: left dog',
      'left dog',
      'provide the bounding box of the region this sentence describes',
    ],
    ['Can you point to the dog in this image?', 'the dog', 'can you point to in this image'],
    ['Locate the red car', 'the red car', 'locate'],
    ['In the image, the woman on the left', 'the woman on the left', 'in the image'],
    ['man on the left of the picture', 'man on the left of the picture', ''],
    ['box of donuts', 'box of donuts', ''],
    ['The woman in a picture', 'the woman in a picture', ''],
    ['please', 'please', ''],
    ['the find', 'the find', ''],
  ])('%s is %s', (text, expression, prompt) => {
    const { text: found, promptWords } = parseExpression(text);
    expect([found, promptWords.join(' ')]).toEqual([expression, prompt]);
  });
});

describe('words that are none', () => {
  it.each([
    ['asdf qwer', 'asdf qwer'],
    ['der Mann mit dem roten Hut', 'der dem roten'],
    ['das große Pferd', 'große pferd'],
    ['左の犬', '左の犬'],
    ['the fluffy dog lying on his comfy couch', ''],
    ['guy w/ a hoodie and sunglasses, 2nd frm left', ''],
    ["the child's toys aren't here", ''],
    ['skateboarder doing tricks', ''],
  ])('%s: %s', (text, unknown) =>
    expect(parseExpression(text).unknownWords.join(' ')).toBe(unknown),
  );
});

describe('slips of the hand', () => {
  it.each([
    ['teh dgo on the lfet', '<dog> x.min'],
    ['girraffe in the midle', '<giraffe> x.middle'],
    ['blakc umberlla', '<umbrella> black@whole'],
    ['the closet', '<closet>'],
    ['the dog form the left', '<dog> x.min'],
    ['zbra behind the refridgerator', '<zebra> behind(<refrigerator>)'],
    ['bannanas by the dounut', '<banana+> next-to(<donut>)'],
  ])('%s', (text, outlined) => expect(parsed(text)).toBe(outlined));

  it('says what it corrects', () => {
    expect(parseExpression('teh left dgo').corrections).toEqual([
      { from: 'teh', to: 'the' },
      { from: 'dgo', to: 'dog' },
    ]);
  });
});

/** Every word that an expression, or a landmark in it, gives an account of. */
function accounted(expression: Expression): string[] {
  const split = (words: string) => words.split(' ');
  return [
    ...split(expression.head?.phrase ?? ''),
    ...expression.attributes.flatMap((a) => [...split(a.word), ...split(a.owner ?? '')]),
    ...expression.selectors.flatMap((s) => split(s.words)),
    ...expression.relations.flatMap((r) => [...split(r.words), ...r.landmarks.flatMap(accounted)]),
    ...expression.deniedKinds.flatMap(({ phrase }) => split(phrase)),
    ...expression.exceptions.flatMap(accounted),
    ...expression.leftovers.flatMap(split),
  ];
}

const WORDS =
  'man woman dog car red blue dark shirt hat left right second largest top bottom middle next to the a in on behind of with ' +
  'holding wearing not and , two sitting fluffy zorp front back closest from near who is orange small umbrella table parked all except but both';
const phrases = fc
  .array(fc.constantFrom(...WORDS.split(' ')), { maxLength: 12 })
  .map((words) => words.join(' '));

describe('any text', () => {
  it('is parsed without throwing, the same way each time', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 80 }), (text) => {
        expect(parseExpression(text)).toEqual(parseExpression(text));
      }),
    );
  });

  it('may be of any length', () => {
    const long = parseExpression(`dog ${'on the dog '.repeat(20_000)}`);
    expect(long.head?.lemma).toBe('dog');
    expect(long.leftovers.length).toBeGreaterThan(19_000);
  });

  it('loses no content word', () => {
    const content =
      'man woman dog car red blue shirt hat left right second largest holding wearing fluffy zorp umbrella table'.split(
        ' ',
      );
    fc.assert(
      fc.property(phrases, (text) => {
        const expression = parseExpression(text);
        const found = new Set(accounted(expression));
        const lost = expression.words.filter((word) => content.includes(word) && !found.has(word));
        expect(lost).toEqual([]);
      }),
      { numRuns: 500 },
    );
  });
});
