import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const PROGRAM_TESTS = 'test/**/*.e2e.test.ts';
const FULL_TESTS = 'test/**/*.full.test.ts';

/** Short files that take long: last, as their sizes would have them, they would run while a core waits. */
const FIRST = /(kill|vlm-stored|disk|fuzz)\.(e2e|full)\.test\.ts$/;

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isFirst = ({ moduleId }: TestSpecification): boolean => FIRST.test(moduleId);
    return [...sorted.filter(isFirst), ...sorted.filter((file) => !isFirst(file))];
  }
}

const isFull = process.env.TEST_FULL === '1';
const globalSetup = 'test/support/own-surroundings.ts';

/** Tests start tens of processes, one after another; the third worker works while the others wait for a server or a clock. */
const programs = { globalSetup, maxWorkers: 3, sequence: { groupOrder: 1 } };

// A limit is there to see a hang: speed is the matter of bench/.
export default defineConfig({
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        test: {
          name: 'unit',
          globalSetup,
          // Vitest leaves one core idle otherwise: half of the machine on two cores.
          maxWorkers: '100%',
          // Tests that load the runtime themselves report to nobody either.
          env: { ORT_DISABLE_TELEMETRY: '1' },
          include: ['test/**/*.test.ts'],
          exclude: [PROGRAM_TESTS, FULL_TESTS],
          testTimeout: 30_000,
          hookTimeout: 30_000,
        },
      },
      {
        test: {
          ...programs,
          name: 'e2e',
          include: [PROGRAM_TESTS],
          testTimeout: isFull ? 600_000 : 120_000,
          hookTimeout: 120_000,
        },
      },
      {
        test: {
          ...programs,
          name: 'full',
          include: [FULL_TESTS],
          testTimeout: 600_000,
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
