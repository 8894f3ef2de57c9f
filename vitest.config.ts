import { defineConfig } from 'vitest/config';

const ALONE = ['test/{faults,cluster,training}/**/*.e2e.test.ts'];

const globalSetup = 'test/support/temporary-root.ts';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          globalSetup,
          // Tests that load the runtime themselves report to nobody either.
          env: { ORT_DISABLE_TELEMETRY: '1' },
          include: ['test/**/*.test.ts'],
          exclude: ['test/**/*.e2e.test.ts'],
          // Only a hang shall fail: a busy machine is slow, and speed is the matter of bench/.
          testTimeout: 60_000,
        },
      },
      {
        test: {
          name: 'e2e',
          globalSetup,
          include: ['test/**/*.e2e.test.ts'],
          exclude: ALONE,
          testTimeout: 240_000,
          hookTimeout: 240_000,
          // Each test starts processes of its own, which are mostly starting up.
          maxWorkers: 2,
          sequence: { groupOrder: 1 },
        },
      },
      {
        test: {
          name: 'faults',
          globalSetup,
          include: ALONE,
          testTimeout: 240_000,
          hookTimeout: 240_000,
          // What is held to a time, or takes every core.
          maxWorkers: 1,
          sequence: { groupOrder: 2 },
        },
      },
    ],
  },
});
