import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const PROGRAM_TESTS = 'test/**/*.e2e.test.ts';

/** Short files that take long: last, as their sizes would have them, they would run while a core waits. */
const FIRST = /(kill|slurm|vlm-stored|disk|fuzz)\.e2e\.test\.ts$/;

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isFirst = ({ moduleId }: TestSpecification): boolean => FIRST.test(moduleId);
    return [...sorted.filter(isFirst), ...sorted.filter((file) => !isFirst(file))];
  }
}

const globalSetup = 'test/support/own-surroundings.ts';

export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          globalSetup,
          // Tests that load the runtime themselves report to nobody either.
          env: { ORT_DISABLE_TELEMETRY: '1' },
          include: ['test/**/*.test.ts'],
          exclude: [PROGRAM_TESTS],
          // Only a hang shall fail: a busy machine is slow, and speed is the matter of bench/.
          testTimeout: 240_000,
          hookTimeout: 240_000,
        },
      },
      {
        test: {
          name: 'e2e',
          globalSetup,
          include: [PROGRAM_TESTS],
          // A test starts tens of processes, one after another; only a hang shall fail here, too.
          testTimeout: 600_000,
          hookTimeout: 600_000,
          // Each test starts processes of its own; the third works while the others wait for a server or a clock.
          maxWorkers: 3,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
