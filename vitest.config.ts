import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['src/**/*.test.ts', 'scripts/**/*.test.ts', 'test/**/*.test.ts'],
    globalSetup: ['test/support/global-setup.ts'],
    setupFiles: ['test/support/fixed-seed.ts'],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Real servers and nodes run beside the tests: two files at a time fill two cores.
    maxWorkers: 2,
    reporters: process.env['CI'] === undefined ? ['default'] : [['default', { summary: false }]],
  },
})
