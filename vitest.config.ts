import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'unit',
          globalSetup: 'test/support/temporary-root.ts',
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
          globalSetup: 'test/support/temporary-root.ts',
          include: ['test/**/*.e2e.test.ts'],
          testTimeout: 240_000,
          hookTimeout: 240_000,
          // Each test starts processes of its own that use every core.
          maxWorkers: 1,
        },
      },
    ],
  },
});
