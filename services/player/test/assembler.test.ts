import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Assembler } from '../src/engine/assembler';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

interface Row {
  readonly says: string;
  /** generation, number, part, count, payload */
  readonly messages: readonly (readonly [number, number, number, number, number])[];
  readonly out: readonly (readonly number[])[];
  readonly lost: number;
}

const rows: Row[] = [
  { says: 'whole fragments pass', messages: [[1, 0, 0, 1, 10], [1, 1, 0, 1, 11]], out: [[10], [11]], lost: 0 },
  { says: 'parts are joined', messages: [[1, 0, 0, 3, 1], [1, 1, 1, 3, 2], [1, 2, 2, 3, 3]], out: [[1, 2, 3]], lost: 0 },
  { says: 'joining in the middle is no loss', messages: [[1, 700, 0, 1, 10]], out: [[10]], lost: 0 },
  { says: 'a tail without its head is dropped', messages: [[1, 5, 1, 2, 1], [1, 6, 0, 1, 2]], out: [[2]], lost: 0 },
  { says: 'a lost part takes the fragment along', messages: [[1, 0, 0, 3, 1], [1, 2, 2, 3, 3], [1, 3, 0, 1, 4]], out: [[4]], lost: 1 },
  { says: 'the parts of two fragments are never mixed', messages: [[1, 0, 0, 2, 1], [1, 3, 1, 2, 9], [1, 4, 0, 1, 4]], out: [[4]], lost: 2 },
  { says: 'messages of an older generation are ignored', messages: [[2, 0, 0, 1, 1], [1, 9, 0, 1, 2]], out: [[1]], lost: 0 },
  { says: 'a new generation counts from 0', messages: [[1, 8, 0, 1, 1], [2, 0, 0, 1, 2]], out: [[1], [2]], lost: 0 },
  { says: 'a missed start of a generation is a loss', messages: [[1, 8, 0, 1, 1], [2, 2, 0, 1, 2]], out: [[1], [2]], lost: 2 },
  { says: 'a burst that starts over is no loss', messages: [[1, 0, 0, 1, 1], [1, 1, 0, 2, 2], [1, 0, 0, 1, 3]], out: [[1], [3]], lost: 0 },
  { says: 'what is older than expected is ignored', messages: [[1, 4, 0, 1, 1], [1, 3, 0, 1, 2]], out: [[1]], lost: 0 },
];

describe('assembler', () => {
  test.each(rows)('$says', ({ messages, out, lost }) => {
    const assembler = new Assembler();
    const got = messages.flatMap(([generation, number, part, count, byte]) => {
      const assembled = assembler.push({ generation, number, part, count }, bytes(byte));
      return assembled ? [[...assembled.bytes]] : [];
    });
    expect(got).toEqual(out);
    expect(assembler.counts.lost).toBe(lost);
  });

  test('a new connection is no loss', () => {
    const assembler = new Assembler();
    assembler.push({ generation: 1, number: 3, part: 0, count: 1 }, bytes(1));
    assembler.reset();
    assembler.push({ generation: 1, number: 90, part: 0, count: 1 }, bytes(2));
    expect(assembler.counts.lost).toBe(0);
  });

  test('whatever is lost, what comes out was cut from one fragment, whole and in order', () => {
    const cuts = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(cuts, fc.infiniteStream(fc.boolean()), (counts, losses) => {
        const assembler = new Assembler();
        let number = 0;
        const out: number[][] = [];
        counts.forEach((count, fragment) => {
          for (let part = 0; part < count; part += 1) {
            const at = { generation: 1, number, part, count };
            number += 1;
            if (losses.next().value === true) continue;
            const assembled = assembler.push(at, bytes(fragment, part));
            if (assembled) out.push([...assembled.bytes]);
          }
        });
        for (const whole of out) {
          const fragment = whole[0] ?? -1;
          const expected = Array.from({ length: counts[fragment] ?? 0 }, (_, part) => [fragment, part]).flat();
          expect(whole).toEqual(expected);
        }
      }),
    );
  });
});
