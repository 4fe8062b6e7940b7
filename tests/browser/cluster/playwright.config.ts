// The chart on a real Kubernetes, with a browser outside of it. deploy/cluster/test.sh says where the cluster is.
import { defineConfig } from '@playwright/test';
import browser from '../playwright.config.ts';

export default defineConfig({
  ...browser,
  testDir: '.',
  outputDir: '../test-results/cluster',
  // Backstops: pods take their time, and autoscalers more.
  timeout: 300_000,
  expect: { timeout: 60_000 },
});
