// Messages of one topic to whole groups of boxes: joins the parts of cut fragments, and sees what is missing.
//
// One assembler per topic, because each topic has a count of its own. It never waits: what is incomplete when the next
// message comes is gone (QoS 0 does not repeat). Whether a hole matters is not decided here but in the splice.
import type { Position } from './correlation';

export interface Assembled {
  readonly generation: number;
  /** Whole boxes. */
  readonly bytes: Uint8Array;
}

export interface AssemblerCounts {
  /** Messages that the numbers say were sent and that never came. */
  lost: number;
}

export class Assembler {
  readonly counts: AssemblerCounts = { lost: 0 };
  private generation = -1;
  private next = 0;
  private parts: Uint8Array[] = [];
  private size = 0;

  /** Takes a message; gives the group of boxes that it completes, if it does. */
  push(at: Position, payload: Uint8Array): Assembled | undefined {
    if (at.generation < this.generation) return undefined;
    const joining = this.generation < 0;
    const fresh = at.generation > this.generation;
    if (fresh) {
      this.generation = at.generation;
      // Whoever joins in the middle has missed nothing; whoever saw the last generation has missed what is before.
      this.next = joining ? at.number : 0;
      this.drop();
    } else if (at.number === 0) {
      // A burst that starts over.
      this.next = 0;
      this.drop();
    } else if (at.number < this.next) {
      return undefined;
    }
    if (at.number > this.next) {
      this.counts.lost += at.number - this.next;
      this.drop();
    }
    this.next = at.number + 1;

    if (at.count === 1) {
      this.drop();
      return { generation: at.generation, bytes: payload };
    }
    if (at.part === 0) this.drop();
    if (at.part !== this.parts.length) {
      // The tail of a fragment whose head was missed.
      this.drop();
      return undefined;
    }
    this.parts.push(payload);
    this.size += payload.length;
    if (at.part + 1 < at.count) return undefined;
    const bytes = join(this.parts, this.size);
    this.drop();
    return { generation: at.generation, bytes };
  }

  /** Forgets everything but the counts: after a new connection the numbers say nothing about what was lost. */
  reset(): void {
    this.generation = -1;
    this.drop();
  }

  private drop(): void {
    this.parts = [];
    this.size = 0;
  }
}

/** Chunks, as one. */
export function join(chunks: readonly Uint8Array[], size: number): Uint8Array {
  const [only] = chunks;
  if (only && chunks.length === 1) return only;
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
