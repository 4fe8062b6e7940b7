// The boxes of ISO/IEC 14496-12, as extents of a message: what all that reads them has in common.
//
// It is strict about lengths, for the bytes are foreign, and copies nothing.

export class Mp4Error extends Error {
  override readonly name = 'Mp4Error';
}

export interface Box {
  readonly type: string;
  readonly start: number;
  readonly body: number;
  readonly end: number;
}

export function* boxes(view: DataView, from: number, to: number): Generator<Box> {
  let start = from;
  while (start < to) {
    if (to - start < 8) throw new Mp4Error('a box ends within its header');
    let size = view.getUint32(start);
    let body = start + 8;
    if (size === 1) {
      if (to - start < 16) throw new Mp4Error('a box ends within its header');
      size = u64(view, body);
      body += 8;
    }
    const end = start + size;
    if (end < body || end > to) throw new Mp4Error('a box reaches beyond its container');
    yield { type: fourCC(view, start + 4), start, body, end };
    start = end;
  }
}

export function child(view: DataView, parent: { body: number; end: number }, ...path: string[]): Box | undefined {
  let box: Box | undefined;
  let { body, end } = parent;
  for (const type of path) {
    box = undefined;
    for (const candidate of boxes(view, body, end)) {
      if (candidate.type === type) {
        box = candidate;
        break;
      }
    }
    if (!box) return undefined;
    ({ body, end } = box);
  }
  return box;
}

export function need(box: Box | undefined, name: string, bytes: number): Box {
  if (!box) throw new Mp4Error(`no ${name}`);
  if (box.end - box.body < bytes) throw new Mp4Error(`${name} is too short`);
  return box;
}

export function u64(view: DataView, at: number): number {
  return view.getUint32(at) * 2 ** 32 + view.getUint32(at + 4);
}

export function fourCC(view: DataView, at: number): string {
  return String.fromCharCode(view.getUint8(at), view.getUint8(at + 1), view.getUint8(at + 2), view.getUint8(at + 3));
}
