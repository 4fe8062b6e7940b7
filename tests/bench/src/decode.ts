// Pictures as ffmpeg decodes them, each with its stamp: of a camera, or of whatever is written into it.
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';
import { readStamp } from '../../browser/support/stamp.ts';

export interface Decoded {
  /** Unix milliseconds. */
  readonly at: number;
  /** By the camera's clock, Unix milliseconds; absent when it cannot be read. */
  readonly stamp: number | undefined;
}

export class Decoder {
  readonly frames: Decoded[] = [];
  private readonly child: ChildProcessByStdio<Writable, Readable, null>;
  private readonly exit: Promise<unknown>;
  private rest: Buffer[] = [];
  private have = 0;

  /** @param input arguments up to and with `-i` */
  constructor(input: readonly string[], private readonly width: number, private readonly height: number) {
    const output = ['-an', '-vsync', '0', '-f', 'rawvideo', '-pix_fmt', 'gray', 'pipe:1'];
    const args = ['-loglevel', 'error', '-threads', '1', '-fflags', 'nobuffer', '-flags', 'low_delay', ...input, ...output];
    this.child = spawn('ffmpeg', args, { stdio: ['pipe', 'pipe', 'inherit'] });
    this.exit = once(this.child, 'exit');
    this.child.stdout.on('data', (data: Buffer) => this.take(data));
    this.child.stdin.on('error', () => undefined);
  }

  /** Of a camera: nothing that reads RTSP and decodes can be sooner by much. */
  static ofCamera(url: string, width: number, height: number, further: readonly string[] = []): Decoder {
    const input = ['-nostdin', '-probesize', '32', '-analyzeduration', '0', ...further, '-rtsp_transport', 'tcp', '-i', url];
    return new Decoder(input, width, height);
  }

  write(bytes: Uint8Array): void {
    if (this.child.stdin.writable) this.child.stdin.write(bytes);
  }

  async end(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exit;
  }

  private take(data: Buffer): void {
    const size = this.width * this.height;
    this.rest.push(data);
    this.have += data.length;
    while (this.have >= size) {
      const all = this.rest.length === 1 ? (this.rest[0] as Buffer) : Buffer.concat(this.rest);
      this.frames.push({ at: Date.now(), stamp: readStamp(all.subarray(0, size), this.width) });
      this.rest = [all.subarray(size)];
      this.have -= size;
    }
  }
}

/** Ages in milliseconds of the frames after the first `skip` milliseconds. */
export function ages(frames: readonly Decoded[], skip: number): number[] {
  const from = (frames[0]?.at ?? 0) + skip;
  return frames.flatMap(({ at, stamp }) => (stamp !== undefined && at >= from ? [at - stamp] : []));
}
