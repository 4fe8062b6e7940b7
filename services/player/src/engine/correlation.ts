// Where a media message stands in its stream: the Correlation Data of every media message, big-endian
// `generation u64 | number u32`, and for one part of a cut fragment additionally `part u16 | count u16`.
//
// Requests of this player carry Correlation Data of another length, so the length alone tells media from JSON on a
// reply topic.

export interface Position {
  /** The run of ffmpeg: Unix time in milliseconds when it began. */
  readonly generation: number;
  /** Counts the messages of one topic and generation (or of one catch-up burst) from 0; each part has its own. */
  readonly number: number;
  /** Which part of a cut fragment this is, from 0. */
  readonly part: number;
  /** How many parts the fragment was cut into; 1: it is whole. */
  readonly count: number;
}

/** Reads the position; undefined when the message is not media, or is malformed. */
export function parsePosition(data: Uint8Array | undefined): Position | undefined {
  if (data?.length !== 12 && data?.length !== 16) return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const generation = view.getUint32(0) * 2 ** 32 + view.getUint32(4);
  if (!Number.isSafeInteger(generation)) return undefined;
  const number = view.getUint32(8);
  if (data.length === 12) return { generation, number, part: 0, count: 1 };
  const part = view.getUint16(12);
  const count = view.getUint16(14);
  return part < count ? { generation, number, part, count } : undefined;
}
