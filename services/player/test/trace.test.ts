import { expect, test } from 'vitest';
import { newTrace } from '../src/engine/trace';

test('each play is a trace of its own, in the form that W3C gives it', () => {
  const traces = Array.from({ length: 50 }, newTrace);
  for (const trace of traces) expect(trace).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
  expect(new Set(traces).size).toBe(50);
});
