// A play as one trace, whose ids the page made.
import { startCollector, type Span } from '../support/collector.ts';
import { awaitFrame } from '../support/observe.ts';
import { stats } from '../support/player.ts';
import { expect, test } from '../support/world.ts';

test('the page begins a trace that ends with its first frame', async ({ page, startWorld }) => {
  const collector = await startCollector();
  const flag = `--otlp-endpoint=${collector.endpoint}`;
  const world = await startWorld({ cameras: [{ name: 'lobby' }], gatekeeper: [flag], transcoders: [[flag]] });
  await page.goto(world.page('source=lobby&autoplay'));
  await awaitFrame(page);
  const { firstFrameMs } = await stats(page);

  const find = async (service: string, name: string, parent?: Span): Promise<Span> => {
    const is = (span: Span): boolean =>
      span.service === `mqtt-video-${service}` && span.name === name && span.parentSpanId === parent?.spanId;
    await expect.poll(() => collector.spans.some(is), { message: `${name} of the ${service}`, intervals: [100] }).toBe(true);
    const span = collector.spans.find(is) as Span;
    if (parent) expect(span.traceId).toBe(parent.traceId);
    return span;
  };
  const play = await find('player', 'play');
  const frame = await find('player', 'first frame', play);
  const call = await find('transcoder', 'describe', await find('gatekeeper', 'placement', await find('gatekeeper', 'request describe', play)));
  await find('transcoder', 'first keyframe', await find('transcoder', 'start', call));
  await find('gatekeeper', 'request play', play);

  const ms = ({ startTimeUnixNano, endTimeUnixNano }: Span): number =>
    Number(BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano)) / 1e6;
  expect(Math.abs(ms(play) - (firstFrameMs ?? NaN)), 'as long as the page says').toBeLessThanOrEqual(1);
  expect(frame.endTimeUnixNano).toBe(play.endTimeUnixNano);
  expect(ms(frame), 'media comes before its first frame, and after play').toBeGreaterThan(0);
  expect(ms(frame)).toBeLessThan(ms(play));
  await collector.end();
});
