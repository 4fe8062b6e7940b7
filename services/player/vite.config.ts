// One build for both uses of the player: the pages that the gatekeeper serves, and two modules with stable names
// (player.js: the engine, mqtt-video.js: the element) for pages of other people.
import { defineConfig } from 'vitest/config';

const modules = new Set(['player', 'mqtt-video']);

export default defineConfig({
  base: './',
  build: {
    target: 'es2022',
    // Nothing becomes a data: URL, and no inline script appears, so that a strict Content-Security-Policy holds.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    rolldownOptions: {
      preserveEntrySignatures: 'exports-only',
      input: {
        index: 'index.html',
        wall: 'wall.html',
        status: 'status.html',
        player: 'src/index.ts',
        'mqtt-video': 'src/register.ts',
      },
      output: {
        entryFileNames: (chunk) => (modules.has(chunk.name) ? '[name].js' : 'assets/[name]-[hash].js'),
      },
    },
  },
  test: { include: ['test/**/*.test.ts'] },
});
