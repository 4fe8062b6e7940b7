// The camera's clock in its picture: 40 black or white blocks in two rows of 20, the wall clock in milliseconds modulo 2^32,
// then 8 bits that check it (deploy/local/camera.py says how).

const COLUMNS = 20;

/** Reads the stamp of a raw picture, I420 or grey. Unix milliseconds, or undefined if its check bits are wrong. */
export function readStamp(picture: Uint8Array, width: number): number | undefined {
  const block = width / COLUMNS;
  const bit = (index: number): number => {
    const x = Math.floor(((index % COLUMNS) + 0.5) * block);
    const y = Math.floor((Math.floor(index / COLUMNS) + 0.5) * block);
    return (picture[y * width + x] ?? 0) > 125 ? 1 : 0;
  };
  const number = (from: number, bits: number): number => {
    let value = 0;
    for (let index = from; index < from + bits; index += 1) value = value * 2 + bit(index);
    return value;
  };
  const low = number(0, 32);
  const check = (((low >>> 24) ^ (low >>> 16) ^ (low >>> 8) ^ low ^ 0xa5) * 29) & 0xff;
  if (check !== number(32, 8)) return undefined;
  const now = Date.now();
  return now - ((now - low) % 2 ** 32);
}
