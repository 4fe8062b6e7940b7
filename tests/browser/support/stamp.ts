// The camera's clock in its picture: 40 black or white blocks in two rows of 20, the wall clock in milliseconds modulo 2^32,
// then 8 bits that check it (deploy/local/camera.py says how).
//
// Pages get the same code as text, so both functions stand on their own and hold no named function, which a compiler may
// mark with one of its own.

/**
 * Reads the stamp of a picture as wide as 20 blocks. Unix milliseconds, or undefined if its check bits are wrong.
 * @param picture samples by rows, of which the first of each pixel counts: grey, I420 or RGBA
 */
export function readStamp(picture: ArrayLike<number>, width: number, samplesPerPixel = 1): number | undefined {
  const block = width / 20;
  let low = 0;
  let check = 0;
  for (let index = 0; index < 40; index += 1) {
    const x = Math.floor(((index % 20) + 0.5) * block);
    const y = Math.floor((Math.floor(index / 20) + 0.5) * block);
    const bit = (picture[(y * width + x) * samplesPerPixel] ?? 0) > 125 ? 1 : 0;
    if (index < 32) low = low * 2 + bit;
    else check = check * 2 + bit;
  }
  if (((((low >>> 24) ^ (low >>> 16) ^ (low >>> 8) ^ low ^ 0xa5) * 29) & 0xff) !== check) return undefined;
  const now = Date.now();
  return now - ((now - low) % 2 ** 32);
}

/** Reads the stamp of what a video of 16:9 shows. */
export type VideoStamp = (video: HTMLVideoElement) => number | undefined;

function makeVideoStamp(read: typeof readStamp): VideoStamp {
  // Of each block four by four pixels, scaled by the browser.
  const canvas = new OffscreenCanvas(80, 8);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  return (video) => {
    if (!context) return undefined;
    const height = (video.videoHeight * 2 * 16) / (20 * 9);
    context.drawImage(video, 0, 0, video.videoWidth, height, 0, 0, canvas.width, canvas.height);
    return read(context.getImageData(0, 0, canvas.width, canvas.height).data, canvas.width, 4);
  };
}

/** A script for a page, after which `videoStamp` is a global function there. */
export const VIDEO_STAMP = `void (globalThis.videoStamp = (${makeVideoStamp.toString()})(${readStamp.toString()}))`;
