import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readSegments, type Segment } from '../src/engine/mp4';
import { Splice, type Origin } from '../src/engine/splice';
import { fragment, init } from './boxes';

/** `i` an init segment, `7` a fragment, `7k` one that begins with a sync sample; `g2:` before it: of generation 2. */
function segment(token: string): { generation: number; segment: Segment } {
  const [, generation = '1', what = ''] = /^(?:g(\d+):)?(.+)$/.exec(token) ?? [];
  const bytes = what === 'i' ? init() : fragment({ sequence: parseInt(what, 10), sync: what.endsWith('k') });
  const [read] = readSegments(bytes);
  if (!read) throw new Error(token);
  return { generation: Number(generation), segment: read };
}

function run(splice: Splice, script: string): string {
  const out: string[] = [];
  for (const word of script.trim().split(/\s+/)) {
    if (word === 'restart') {
      splice.restart();
      continue;
    }
    const origin: Origin = word.startsWith('c') ? 'catch-up' : 'live';
    const given = segment(word.slice(1));
    for (const step of splice.push(origin, given.generation, given.segment)) {
      const prefix = step.generation === 1 ? '' : `g${step.generation}:`;
      out.push(prefix + (step.kind === 'init' ? 'i' : String(step.segment.sequence)));
    }
  }
  return out.join(' ');
}

// `c` before a segment: it comes in the catch-up; `l`: on the live topic.
describe('video', () => {
  test.each([
    ['a burst, then live', 'ci c10k c11 c12 l13 l14', 'i 10 11 12 13 14'],
    ['live messages are held until the burst has reached them', 'l12 l13 ci c10k c11 l14', 'i 10 11 12 13 14'],
    ['what came both ways is given once', 'l12 ci c10k c11 c12 c13 l13 l14', 'i 10 11 12 13 14'],
    ['a live keyframe ends the wait for the burst', 'ci c10k l12k l13 c11', 'i 10 12 13'],
    ['nothing is given before an init segment', 'l10k l11', ''],
    ['nothing is given before a sync sample', 'ci l11 l12 l13k', 'i 13'],
    ['a hole in the burst waits for a live keyframe', 'ci c10k c12 l13 l14 l20k l21', 'i 10 20 21'],
    ['a lost fragment costs the rest of the GOP, no more', 'ci c10k l11 l13 l14 l15k l16', 'i 10 11 15 16'],
    ['a lost fragment before a keyframe costs nothing', 'ci c10k l11 l13k l14', 'i 10 11 13 14'],
    ['duplicates are dropped', 'ci c10k l11 l11 l10 l12', 'i 10 11 12'],
    ['a new generation on the live topic goes on', 'ci c10k l11 lg2:i lg2:20k lg2:21', 'i 10 11 g2:i g2:20 g2:21'],
    ['stragglers of the old generation are dropped', 'ci c10k lg2:i lg2:20k l11 lg2:21', 'i 10 g2:i g2:20 g2:21'],
    ['without its init segment a generation cannot begin', 'ci c10k lg2:20k lg2:21', 'i 10'],
    ['a burst brings the init segment that was lost', 'ci c10k lg2:20k restart cg2:i cg2:20k lg2:21', 'i 10 g2:i g2:20 g2:21'],
    ['a job that begins under the viewer needs no burst', 'li l1k l2 l3', 'i 1 2 3'],
    ['a burst of a generation that has begun meanwhile', 'l12 lg2:i lg2:20k cg2:i cg2:20k lg2:21', 'g2:i g2:20 g2:21'],
    ['after a reconnect in the same GOP only what is new is given', 'ci c10k l11 restart ci c10k c11 c12 l13', 'i 10 11 12 13'],
    ['after a reconnect in a later GOP it begins at its keyframe', 'ci c10k l11 restart l33 ci c30k c31 c32', 'i 10 11 30 31 32 33'],
    ['after a reconnect without a loss no burst is waited for', 'ci c10k l11 restart l12 l13', 'i 10 11 12 13'],
    ['a burst of an older generation is no use', 'cg2:i cg2:5k ci c10k lg2:6', 'g2:i g2:5 g2:6'],
  ])('%s', (_, script, expected) => {
    expect(run(new Splice(false), script)).toBe(expected);
  });

  test('gaps are counted once each', () => {
    const splice = new Splice(false);
    run(splice, 'ci c10k l11 l13 l14 l20k l22 l23k');
    expect(splice.counts.gaps).toBe(2);
  });

  test('asks for an init segment only while it lacks one', () => {
    const splice = new Splice(false);
    run(splice, 'ci c10k l11');
    expect(splice.needsInit).toBe(false);
    run(splice, 'lg2:20k');
    expect(splice.needsInit).toBe(true);
    run(splice, 'cg2:i');
    expect(splice.needsInit).toBe(false);
  });

  test('whatever is lost or comes twice, each fragment follows its predecessor or is a keyframe', () => {
    const stream = fc.array(fc.record({ lost: fc.boolean(), twice: fc.boolean() }), { minLength: 5, maxLength: 60 });
    fc.assert(
      fc.property(stream, fc.integer({ min: 2, max: 12 }), fc.nat(20), (fates, gop, joined) => {
        const script = ['ci'];
        fates.forEach(({ lost, twice }, index) => {
          const token = `${index + 1}${index % gop === 0 ? 'k' : ''}`;
          if (index <= joined && !lost) script.push(`c${token}`);
          if (index >= joined - 2 && !lost) script.push(`l${token}`);
          if (twice && !lost) script.push(`l${token}`);
        });
        const given = run(new Splice(false), script.join(' ')).split(' ').slice(1).map(Number);
        given.forEach((sequence, index) => {
          const follows = index > 0 && sequence === (given[index - 1] ?? 0) + 1;
          const later = index === 0 || sequence > (given[index - 1] ?? 0);
          expect(later && (follows || (sequence - 1) % gop === 0)).toBe(true);
        });
      }),
    );
  });
});

describe('audio', () => {
  test.each([
    ['waits for the burst, though it could begin anywhere', 'ci l12k l13k c10k c11k', 'i 10 11 12 13'],
    ['goes on after a loss', 'ci c10k l11k l13k', 'i 10 11 13'],
    ['a hole in the burst is no reason to wait', 'l13k ci c10k c12k', 'i 10 12 13'],
  ])('%s', (_, script, expected) => {
    expect(run(new Splice(true), script)).toBe(expected);
  });

  test('gives up on a burst whose tail was lost', () => {
    const live = Array.from({ length: 60 }, (_, index) => `l${index + 20}k`).join(' ');
    const given = run(new Splice(true), `ci c10k ${live}`).split(' ');
    expect(given.slice(0, 3)).toEqual(['i', '10', '20']);
    expect(given.at(-1)).toBe('79');
  });
});
