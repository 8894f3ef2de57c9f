/** Whether `npm run test:full` runs: tests with a size then take the large one. */
export const IS_FULL = process.env.TEST_FULL === '1';
