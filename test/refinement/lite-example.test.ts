import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BoxXyxy } from '../../src/geometry/box.js';
import { mirrorXyxy } from '../../src/geometry/box.js';
import { mirrorExpression } from '../../src/language/mirror.js';
import { liteDraft, mirroredExample, mirroredQuery } from '../../src/refinement/lite-example.js';
import { CANDIDATE_FEATURES, TOOL_FEATURES } from '../../src/refinement/lite-features.js';
import { PROPOSAL_LIMIT } from '../../src/refinement/lite-proposal.js';
import { QUERY_FEATURES } from '../../src/refinement/lite-query.js';
import type { Candidate, PhotoEvidence, RefineRequest } from '../../src/refinement/refiner.js';
import { answered, box, detected, request } from '../support/candidates.js';

const TOOLS = ['detector', 'qwen'];
const QUERIES = [
  'the left lion',
  'second dog from the right',
  'man in the red shirt',
  'the biggest dog left of the lion',
  'person next to the dog',
];

/** A photo of a colour gradient that has no symmetry, with a feature map of two channels. */
function evidence(mirrored: boolean): PhotoEvidence {
  const [size, cells] = [60, 10];
  const data = new Uint8Array(size * size * 3);
  const map = new Float32Array(64 * cells * cells);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const from = mirrored ? size - 1 - x : x;
      data.set([from * 4, y * 4, (from * y) % 256], (y * size + x) * 3);
    }
  }
  for (let c = 0; c < 64; c++) {
    for (let y = 0; y < cells; y++) {
      for (let x = 0; x < cells; x++) {
        const from = mirrored ? cells - 1 - x : x;
        map[(c * cells + y) * cells + x] = Math.sin(c + from * 2 + y * 3);
      }
    }
  }
  return {
    raster: { width: size, height: size, data },
    contentXyxy: { x1: 0, y1: 0, x2: size, y2: size },
    featureMap: { data: map, channels: 64, width: cells, height: cells },
  };
}

const boxes: fc.Arbitrary<BoxXyxy> = fc
  .record({
    x: fc.integer({ min: 0, max: 400 }),
    y: fc.integer({ min: 0, max: 250 }),
    width: fc.integer({ min: 20, max: 190 }),
    height: fc.integer({ min: 20, max: 140 }),
  })
  // Off the lattice of samples, so that no sample lies on the seam of two pixels.
  .map(({ x, y, width, height }) => box(x + 0.137, y + 0.211, width + 0.319, height + 0.173));

const scenes = fc.record({
  query: fc.constantFrom(...QUERIES),
  candidates: fc
    .array(
      fc.record({
        boxXyxy: boxes,
        label: fc.constantFrom('lion', 'dog', 'person'),
        score: fc.integer({ min: 60, max: 950 }).map((score) => score / 1000),
      }),
      { minLength: 1, maxLength: 12 },
    )
    .map((all) =>
      all.map(
        (each, rank): Candidate => ({
          ...each,
          score: each.score + rank / 1e5,
          tool: 'detector',
          rank,
        }),
      ),
    ),
});

function mirroredRequest(asked: RefineRequest): RefineRequest {
  const candidates = asked.candidates.map((each) => ({
    ...each,
    boxXyxy: mirrorXyxy(each.boxXyxy, asked.image),
  }));
  const tool = asked.tool && candidates[asked.candidates.indexOf(asked.tool)]!;
  return { ...asked, query: mirrorExpression(asked.query), candidates, tool };
}

/** Rows by their values, so that the order in which equals stand does not matter. */
function sortedRows(values: Float32Array, width: number): number[][] {
  const rows = Array.from({ length: values.length / width }, (_, row) =>
    Array.from(values.subarray(row * width, (row + 1) * width), (value) =>
      Number(value.toFixed(3)),
    ),
  );
  return rows.sort((a, b) => (a.join() < b.join() ? -1 : 1));
}

describe('liteDraft', () => {
  it('gives the sizes that it promises, and only finite numbers', () => {
    fc.assert(
      fc.property(scenes, ({ query, candidates }) => {
        const { example, proposals } = liteDraft(request(query, candidates), TOOLS);
        const n = proposals.length;
        expect(n).toBeLessThanOrEqual(PROPOSAL_LIMIT);
        expect(example.candidates).toHaveLength(n * CANDIDATE_FEATURES);
        expect(example.tool).toHaveLength(n * TOOL_FEATURES);
        expect(example.query).toHaveLength(QUERY_FEATURES);
        expect(
          [...example.candidates, ...example.tool, ...example.query].every(Number.isFinite),
        ).toBe(true);
      }),
    );
  });

  it('keeps what think sees apart from which box is the tool’s answer', () => {
    fc.assert(
      fc.property(scenes, fc.nat(), ({ query, candidates }, pick) => {
        const other = candidates[pick % candidates.length]!;
        const [one, two] = [candidates[0]!, other].map((tool) =>
          liteDraft(request(query, candidates, tool), TOOLS),
        ) as [ReturnType<typeof liteDraft>, ReturnType<typeof liteDraft>];
        expect(sortedRows(one.example.candidates, CANDIDATE_FEATURES)).toEqual(
          sortedRows(two.example.candidates, CANDIDATE_FEATURES),
        );
        expect(one.example.query).toEqual(two.example.query);
      }),
    );
  });

  it('does not depend on the order of the candidates', () => {
    fc.assert(
      fc.property(scenes, ({ query, candidates }) => {
        const tool = candidates[0]!;
        const turned = [...candidates].reverse();
        const [one, two] = [candidates, turned].map((all) =>
          liteDraft(request(query, all, tool), TOOLS),
        ) as [ReturnType<typeof liteDraft>, ReturnType<typeof liteDraft>];
        expect(sortedRows(one.example.candidates, CANDIDATE_FEATURES)).toEqual(
          sortedRows(two.example.candidates, CANDIDATE_FEATURES),
        );
      }),
    );
  });

  it('hides the box of a tool that was asked the expression from think', () => {
    const asked = [
      answered('qwen', box(100, 100, 80, 80)),
      answered('other', box(300, 100, 80, 80)),
    ];
    const { example, proposals } = liteDraft(request('the lion', asked, asked[0]!), TOOLS);
    const hidden = proposals.map(({ source }) => asked[source]!.tool === 'qwen');
    expect([...example.thinkMask]).toEqual(hidden.map((each) => (each ? 0 : 1)));
  });

  it('rebuilds a box where tools agree', () => {
    const asked = [
      answered('qwen', box(100, 100, 80, 80)),
      answered('other', box(110, 100, 80, 80)),
    ];
    const { proposals } = liteDraft(request('the lion', asked, asked[0]!), TOOLS);
    const fused = proposals.find(({ origin }) => origin !== 'listed');
    expect(fused?.boxXyxy).toEqual(box(105, 100, 80, 80));
    expect(fused?.fromTool).toBe(true);
  });

  it('marks missing numbers instead of calling them zero', () => {
    const bare = liteDraft(
      request('red dog', detected([['dog', 0.5, box(10, 10, 50, 50)]])),
      TOOLS,
    );
    const seen = liteDraft(
      {
        ...request('red dog', detected([['dog', 0.5, box(10, 10, 50, 50)]])),
        evidence: evidence(false),
      },
      TOOLS,
    );
    const flag = CANDIDATE_FEATURES - 1;
    expect(bare.example.candidates[flag]).toBe(1);
    expect(seen.example.candidates[flag]).toBe(0);
  });

  it('without a tool keeps no answer', () => {
    const { example, proposals } = liteDraft(request('dog', [], null), TOOLS);
    expect(proposals).toHaveLength(0);
    expect([...example.actionMask]).toEqual([0, 1]);
  });
});

describe('mirroredExample', () => {
  it('is the example of the mirrored photo with left and right changed in the words', () => {
    fc.assert(
      fc.property(scenes, ({ query, candidates }) => {
        const asked: RefineRequest = { ...request(query, candidates), evidence: evidence(false) };
        const draft = liteDraft(asked, TOOLS);
        const mirrored = mirroredQuery(draft);
        const turned = mirroredExample(draft.example, mirrored.features);
        const real = liteDraft({ ...mirroredRequest(asked), evidence: evidence(true) }, TOOLS);
        expect(mirrored.text).toBe(mirrorExpression(query));
        expect(Array.from(turned.query)).toEqual(
          Array.from(real.example.query, (value) => expect.closeTo(value, 3)),
        );
        expect(real.proposals).toHaveLength(draft.proposals.length);
        const close = (rows: number[][]) =>
          rows.map((row) => row.map((value) => expect.closeTo(value, 1)));
        expect(sortedRows(turned.boxes, 4)).toEqual(close(sortedRows(real.example.boxes, 4)));
        for (const [i, value] of turned.candidates.entries()) {
          // Crops of the mirrored photo fall on other pixels, which moves a share by up to a hundredth.
          expect(value).toBeCloseTo(real.example.candidates[i]!, 1);
        }
      }),
      // A fixed seed: boxes of a few pixels may differ by more, and say nothing of left and right.
      { numRuns: 60, seed: 7 },
    );
  });

  it('twice is the example itself', () => {
    const all = detected([
      ['dog', 0.5, box(10, 10, 50, 50)],
      ['dog', 0.7, box(200, 10, 50, 50)],
    ]);
    const { example } = liteDraft(request('left dog', all), TOOLS);
    const twice = mirroredExample(mirroredExample(example, example.query), example.query);
    for (const [i, value] of example.candidates.entries()) {
      expect(twice.candidates[i]).toBeCloseTo(value, 6);
    }
  });
});
