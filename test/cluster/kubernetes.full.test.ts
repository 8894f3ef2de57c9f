import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { FINAL_FILES, linesFile, shell } from '../support/faults.js';
import { freshFolder, photoFolder, vgr } from '../support/vgr.js';

interface Container {
  readonly name: string;
  readonly image: string;
  readonly command: readonly string[];
  readonly args: readonly string[];
  readonly env: readonly { readonly name: string; readonly value: string }[];
  readonly securityContext: object;
  readonly volumeMounts: readonly { readonly name: string }[];
}
interface Job {
  readonly kind: string;
  readonly metadata: { readonly name: string };
  readonly spec: {
    readonly completionMode?: string;
    readonly completions?: number;
    readonly template: {
      readonly spec: {
        readonly restartPolicy: string;
        readonly securityContext: object;
        readonly initContainers?: readonly Container[];
        readonly containers: readonly Container[];
        readonly volumes: readonly { readonly name: string }[];
      };
    };
  };
}

const documents = parseAllDocuments(readFileSync('deploy/kubernetes/refine.yaml', 'utf8'));
const [shards, merge] = documents.map((document) => document.toJS() as Job) as [Job, Job];

function containersOf({ spec }: Job): readonly Container[] {
  return [...(spec.template.spec.initContainers ?? []), ...spec.template.spec.containers];
}

describe('the manifest', () => {
  it('is YAML of two Jobs that agree on the number of shards', () => {
    expect(documents.flatMap(({ errors }) => errors)).toEqual([]);
    expect([shards, merge].map(({ kind }) => kind)).toEqual(['Job', 'Job']);
    expect(shards.spec.completionMode).toBe('Indexed');
    const counts = [shards, merge]
      .flatMap(containersOf)
      .map(({ env }) => env.find(({ name }) => name === 'VGR_SHARD_COUNT')?.value);
    expect(counts).toEqual(Array(3).fill(String(shards.spec.completions)));
  });

  it('gives no pod more than it needs', () => {
    for (const job of [shards, merge]) {
      const pod = job.spec.template.spec;
      expect(pod.securityContext).toMatchObject({ runAsNonRoot: true });
      expect(pod.restartPolicy).toBe('Never');
      const volumes = pod.volumes.map(({ name }) => name);
      for (const { securityContext, volumeMounts } of containersOf(job)) {
        expect(securityContext).toMatchObject({
          allowPrivilegeEscalation: false,
          readOnlyRootFilesystem: true,
          capabilities: { drop: ['ALL'] },
        });
        expect(volumes).toEqual(expect.arrayContaining(volumeMounts.map(({ name }) => name)));
      }
    }
  });
});

describe.skipIf(process.platform === 'win32')('the containers of the manifest, run here', () => {
  let root: string;
  let bin: string;

  beforeAll(() => {
    root = freshFolder();
    bin = freshFolder();
    const script = (name: string, lines: string): void =>
      writeFileSync(join(bin, name), `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
    script('vgr', `exec "${process.execPath}" "${resolve('bin/run.js')}" "$@"`);
    // Stands in for the init of the image, `tini -g -- PROGRAM`.
    script('tini', 'shift 2\nexec "$@"');
  });

  /** Runs a container's command, with its volumes in folders of the test. */
  function run({ command, args, env }: Container, index: number): Promise<number | null> {
    const place = (text: string): string =>
      text
        .replaceAll('$(JOB_COMPLETION_INDEX)', String(index))
        .replace(/(?<![\w.])\/(data|out)\b/g, `${root}/$1`);
    const values = Object.fromEntries(env.map(({ name, value }) => [name, value]));
    const [program, ...rest] = [...command, ...args].map(place);
    const child = spawn(program!, rest, {
      env: {
        ...process.env,
        ...values,
        JOB_COMPLETION_INDEX: String(index),
        PATH: `${bin}${delimiter}${process.env.PATH}`,
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    return new Promise((done) => child.on('close', done));
  }

  it('take no program that cannot start for a shard that is done', async () => {
    const [shard] = containersOf(shards) as [Container];
    const [, join_] = containersOf(merge) as [Container, Container];
    const path = join(bin, 'vgr');
    const whole = readFileSync(path, 'utf8');
    writeFileSync(path, '#!/bin/sh\nexit 1\n');
    expect(await run(shard, 0)).toBe(1);
    expect(await run(join_, 0)).toBe(1);
    writeFileSync(path, whole);
  });

  it('make the bytes of one run', async () => {
    const photos = await photoFolder(12);
    shell('mkdir -p "$2/data" && cp -r "$1" "$2/data/images"', photos, root);
    const lines = Array.from({ length: 24 }, (_, at) => ({
      id: `q${at}`,
      image: `photo-${String(at >> 1).padStart(2, '0')}.jpg`,
      query: 'the left ball',
    }));
    shell('cp "$1" "$2/data/queries.jsonl"', linesFile([...lines, { id: 'bad' }]), root);
    const [shard] = containersOf(shards) as [Container];
    const withoutTimes = { ...shard, args: [...shard.args, '--no-timing', '--device', 'cpu'] };
    for (let index = 0; index < shards.spec.completions!; index++) {
      expect(await run(withoutTimes, index)).toBe(0);
    }
    const [wait, join_] = containersOf(merge) as [Container, Container];
    expect(await run(wait, 0)).toBe(0);
    expect(await run(join_, 0)).toBe(0);

    const whole = freshFolder();
    const { images, queries } = {
      images: `${root}/data/images`,
      queries: `${root}/data/queries.jsonl`,
    };
    const flags = ['--no-timing', '--device', 'cpu', '--output', whole];
    expect((await vgr(['refine', images, '--queries', queries, ...flags])).code).toBe(1);
    for (const name of FINAL_FILES) {
      expect(readFileSync(`${root}/out/whole/${name}`, 'utf8')).toBe(
        readFileSync(join(whole, name), 'utf8'),
      );
    }
  });
});

it('the image takes from the build what the program needs to run', () => {
  const text = readFileSync('deploy/Dockerfile', 'utf8');
  const copied = [...text.matchAll(/COPY --from=build (.+) \S+$/gm)]
    .flatMap((match) => match[1]!.split(' '))
    .map((path) => path.replace(/^\/vgr\//, ''));
  const { files } = JSON.parse(readFileSync('package.json', 'utf8')) as { files: string[] };
  // Of `docs` the image takes all: hints name its pages.
  const needed = files.map((path) => path.replace(/^docs\/.*/, 'docs'));
  expect(copied).toEqual(expect.arrayContaining([...needed, 'package.json', 'node_modules']));
  for (const path of copied)
    expect({ path, there: existsSync(path) }).toEqual({ path, there: true });
  expect(text).toMatch(/^USER node$/m);
});
