// One browser, one world at a time: what is measured here is time, and a second test beside the first would distort it.
import { defineConfig } from '@playwright/test';
import { CHROMIUM } from './support/chromium.ts';

export default defineConfig({
  testDir: 'specs',
  outputDir: 'test-results',
  // A hang is a failure, and a retry is a lie.
  retries: 0,
  workers: 1,
  fullyParallel: false,
  forbidOnly: true,
  // Backstops. A test ends when what it waits for is there.
  timeout: 120_000,
  expect: { timeout: 30_000 },
  reporter: [['list', { printSteps: false }]],
  use: {
    viewport: { width: 1280, height: 800 },
    actionTimeout: 15_000,
    launchOptions: CHROMIUM,
  },
});
