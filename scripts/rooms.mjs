// The rooms of src/ and what each may import: the one table from which the lint rules (biome.rooms.json) and the picture in
// docs/development/architecture.md are written, and by which imports are checked.
//   node scripts/rooms.mjs           writes the rules and the picture
//   node scripts/rooms.mjs --check   fails where they are out of date, and on imports against the arrows or in a circle
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { ROOT } from './steps.mjs';

/** From the outside in. A room imports from the levels below its own, and from no neighbour on its level. */
const LEVELS = [
  { commands: 'one file a command: its flags, and `run()`' },
  { cli: 'base command, shared flags, configuration file, printer, progress, signals' },
  {
    run: 'lines in, answers out: intake, order, shards, journal, merge, output folder',
    models: 'the catalogue: list, pull, verify, add, bench, remove',
    evaluate: 'refinement metrics, sets and none, COCO AP, intervals, the report',
    train: 'the refinement reward, the objective, the fit',
  },
  { runtime: 'threads, devices, sessions; detectors and refiners opened and closed' },
  { vlm: 'the large refiner behind a server: prompt, reply, client, budget, cache, cascade' },
  {
    refine: 'candidates, cues, think, rethink, none, sets, reason',
    detect: 'model families: packing of the input, decoding of the output',
    photos: 'photos found, decoded, cropped, drawn',
  },
  {
    language: 'expressions and the lexicon',
    formats: 'query and result lines, COCO files, model cards, ONNX messages, as values',
  },
  { core: 'errors, boxes, cache, random numbers, files, semaphores' },
];

/** Libraries that one room alone imports. */
const HOMES = {
  'onnxruntime-node': ['runtime'],
  sharp: ['photos', 'vlm'],
  globby: ['photos'],
  listr2: ['cli'],
  '@oclif/core': ['commands', 'cli'],
  '@huggingface/tokenizers': ['detect'],
};

/** Imports against the arrows that are still to go. */
const EXCEPTIONS = new Set([]);

const rooms = LEVELS.flatMap((level, depth) => Object.keys(level).map((name) => ({ name, depth })));
const depthOf = Object.fromEntries(rooms.map(({ name, depth }) => [name, depth]));
const mayImport = (from, to) =>
  from === to || depthOf[to] > depthOf[from] || EXCEPTIONS.has(`${from} ${to}`);

function lintRules() {
  const overrides = rooms.map(({ name }) => {
    const closed = rooms.filter((other) => !mayImport(name, other.name));
    const libraries = Object.keys(HOMES).filter((library) => !HOMES[library].includes(name));
    const paths = Object.fromEntries(
      libraries.map((library) => [
        library,
        `${library} belongs to src/${HOMES[library].join(', src/')}`,
      ]),
    );
    const patterns = closed.length > 0 && [
      {
        group: closed.map((other) => `**/${other.name}/**`),
        message: `src/${name} imports from the rooms below it only, see docs/development/architecture.md`,
      },
    ];
    return {
      includes: [`src/${name}/**`],
      linter: {
        rules: {
          style: {
            noRestrictedImports: {
              level: 'error',
              options: { paths, ...(patterns && { patterns }) },
            },
          },
        },
      },
    };
  });
  return `${JSON.stringify({ overrides }, null, 2)}\n`;
}

const PICTURE = join(ROOT, 'docs', 'development', 'architecture.md');
const MARKS = ['<!-- rooms: written by scripts/rooms.mjs -->', '<!-- /rooms -->'];

function picture(page) {
  const [before, after] = [page.indexOf(MARKS[0]), page.indexOf(MARKS[1])];
  if (before < 0 || after < 0)
    throw new Error(`${PICTURE}: expected the marks ${MARKS.join(' and ')}`);
  const arrows = LEVELS.map((level) => Object.keys(level).join(', ')).join('\n  -> ');
  const rows = LEVELS.flatMap((level) =>
    Object.entries(level).map(([name, holds]) => {
      const libraries = Object.keys(HOMES).filter((library) => HOMES[library].includes(name));
      const alone = libraries.length > 0 ? ` (${libraries.join(', ')})` : '';
      return `| \`${name}\` | ${holds}${alone} |`;
    }),
  );
  const text = `\n\n\`\`\`\n${arrows}\n\`\`\`\n\n| room | what it holds (and which library it alone imports) |\n|---|---|\n${rows.join('\n')}\n\n`;
  return page.slice(0, before + MARKS[0].length) + text + page.slice(after);
}

/** Every file of src/ with the files that it imports, types and `import()` included. */
function importGraph() {
  const files = readdirSync(join(ROOT, 'src'), { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join('src', name));
  const found = /(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']+)'/g;
  return new Map(
    files.map((file) => [
      file,
      [...readFileSync(join(ROOT, file), 'utf8').matchAll(found)].map(([, address]) =>
        join(dirname(file), address.replace(/\.js$/, '.ts')),
      ),
    ]),
  );
}

function importErrors() {
  const graph = importGraph();
  const roomOf = (file) => relative('src', file).split(/[\\/]/)[0];
  const errors = [];
  for (const [file, imported] of graph) {
    for (const other of imported) {
      const [from, to] = [roomOf(file), roomOf(other)];
      if (!mayImport(from, to)) errors.push(`${file} imports ${other}: ${from} may not know ${to}`);
    }
  }
  const state = new Map();
  const visit = (file, path) => {
    if (state.get(file) === 'done') return;
    if (state.get(file) === 'open') {
      errors.push(`circle: ${[...path.slice(path.indexOf(file)), file].join(' -> ')}`);
      return;
    }
    state.set(file, 'open');
    for (const other of graph.get(file) ?? []) visit(other, [...path, file]);
    state.set(file, 'done');
  };
  for (const file of graph.keys()) visit(file, []);
  return errors;
}

const written = [
  [join(ROOT, 'biome.rooms.json'), lintRules],
  [PICTURE, () => picture(readFileSync(PICTURE, 'utf8'))],
];
const isCheck = process.argv.includes('--check');
const errors = importErrors();
for (const [file, make] of written) {
  if (!isCheck) writeFileSync(file, make());
  else if (readFileSync(file, 'utf8') !== make()) {
    errors.push(`${relative(ROOT, file)} is out of date: run \`node scripts/rooms.mjs\``);
  }
}
for (const error of errors) console.error(error);
process.exitCode = errors.length > 0 ? 1 : 0;
