// The stage that is nearest to live, for video alone: WebCodecs decodes each sample as it comes, and each picture goes on
// screen when it is decoded. There is no buffer and no playhead, so nothing can run ahead of or behind a clock.
//
// It owns the decoder; feed.ts decides what goes in and what is shown, screen.ts shows it. Every frame is closed by whoever
// has it last.
import { Mp4Error } from './boxes';
import { Feed } from './feed';
import type { InitSegment, MediaFragment } from './mp4';
import { readSamples } from './samples';
import { hasScreen, Screen } from './screen';
import type { FrameCounts, LiveEdge, Stage, StageEvents, StagePlan } from './stage';
import { StallMeter, type PlayCounts } from './stall-meter';
import type { TrackName } from './viewing';

/** Later than the next picture was due by so much is standing. */
const STANDS_MS = 100;
/** A decoder that takes samples and gives nothing for so long has died without a word. */
const SILENT_MS = 5000;
/** Samples that come further apart than this come anew. */
const PAUSE_MS = 2000;
/** A timer this late was held up by a busy or frozen page, and the decoder with it. */
const BLOCKED_MS = 600;

/** False also on a page that is no secure context, to which browsers do not show WebCodecs. */
export function canDecode(): boolean {
  return 'VideoDecoder' in globalThis && hasScreen();
}

export class DecoderStage implements Stage {
  readonly renderer = 'webcodecs';
  readonly target = 0;
  private readonly video: HTMLVideoElement;
  private readonly events: StageEvents;
  private readonly feed = new Feed();
  private readonly screen: Screen;
  private readonly stalls: StallMeter;
  private decoder: VideoDecoder | undefined;
  private config: VideoDecoderConfig | undefined;
  private timescale = 90_000;
  private shift = 0;
  private edge: LiveEdge | undefined;
  private decoded = 0;
  private shownTime: number | undefined;
  private shownAt = 0;
  /** Since when samples have gone in without a picture coming out. */
  private owesSince: number | undefined;
  private fedAt = -Infinity;
  private ticked = 0;
  private begun = false;
  private closed = false;

  constructor({ video, events }: StagePlan) {
    this.video = video;
    this.events = events;
    this.stalls = new StallMeter(() => events.stalled());
    this.screen = new Screen(video);
  }

  get counts(): PlayCounts {
    return this.stalls.counts;
  }

  get frames(): FrameCounts {
    return { decoded: this.decoded, dropped: this.feed.skipped + this.screen.dropped };
  }

  get stalledMs(): number {
    return this.stalls.stalledMs;
  }

  get margin(): number | undefined {
    return this.edge && this.shownTime !== undefined ? (this.edge.time - this.shownTime) * 1000 : undefined;
  }

  prepare(mimes: ReadonlyMap<TrackName, string>): void {
    const codec = /codecs="([^"]*)"/.exec(mimes.get('video') ?? '')?.[1] ?? '';
    VideoDecoder.isConfigSupported({ codec, optimizeForLatency: true }).then(
      ({ supported }) => {
        if (supported !== true && !this.closed) this.events.unfit(codec);
      },
      (error: unknown) => this.fail(error),
    );
  }

  offset(seconds: number): void {
    this.shift = seconds;
  }

  appendInit(_: TrackName, segment: InitSegment): void {
    const [header] = segment.tracks;
    if (!header?.codec || !header.decoderConfig) {
      this.events.unfit(header?.codec ?? '');
      return;
    }
    this.timescale = header.timescale;
    const { codec, decoderConfig: description } = header;
    if (this.config?.codec === codec && same(this.config.description as Uint8Array, description)) return;
    // What the decoder has got comes out before it begins anew.
    this.config = { codec, description: description.slice(), optimizeForLatency: true };
    this.feed.reset();
    this.configure();
  }

  arriving(): void {
    // Nothing is held for the pace of the network.
  }

  adapt(): number {
    return 0;
  }

  edgeAt(edge: LiveEdge): void {
    this.edge = edge;
  }

  append(now: number, _: TrackName, segment: MediaFragment): void {
    this.feed.at(now, this.edge?.live ?? false);
    try {
      for (const { presentationTime, sync, data } of readSamples(segment)) {
        const timestamp = Math.round((presentationTime / this.timescale + this.shift) * 1e6);
        this.decode(now, { type: sync ? 'key' : 'delta', timestamp, data });
      }
    } catch (error) {
      if (error instanceof Mp4Error) this.feed.reset();
      else this.fail(error);
    }
  }

  begin(): void {
    this.begun = true;
  }

  catchUp(now: number, forMs: number): void {
    this.feed.catchUp(now, forMs);
  }

  tick(now: number): void {
    const isDue = this.begun && !this.video.paused;
    const due = this.shownAt + (this.edge?.frameMs ?? 0) + STANDS_MS;
    this.stalls.tick(now, isDue, now > due ? this.shownAt : undefined);
    const wasBlocked = now - this.ticked > BLOCKED_MS;
    this.ticked = now;
    if (wasBlocked) this.owesSince = undefined;
    // One that waits for the next sample owes nothing while none comes.
    const isFed = now - this.fedAt < PAUSE_MS;
    if (isFed && this.owesSince !== undefined && now - this.owesSince > SILENT_MS) {
      this.fail(new Error('the decoder gives no pictures'));
    }
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.decoder?.state !== 'closed') this.decoder?.close();
    this.screen.close();
  }

  private decode(now: number, sample: EncodedVideoChunkInit): void {
    const { timestamp, type } = sample;
    const verdict = this.feed.take(timestamp, type === 'key', this.decoder?.decodeQueueSize ?? 0);
    if (verdict === 'skip') return;
    if (verdict === 'restart') this.decoder?.reset();
    if (this.decoder?.state !== 'configured') this.configure();
    if (now - this.fedAt > PAUSE_MS) this.owesSince = undefined;
    this.fedAt = now;
    this.owesSince ??= now;
    this.decoder?.decode(new EncodedVideoChunk(sample));
  }

  private configure(): void {
    if (!this.config || this.closed) return;
    if (!this.decoder || this.decoder.state === 'closed') {
      this.decoder = new VideoDecoder({
        output: (frame) => this.show(frame),
        error: (error) => this.onError(error),
      });
    }
    try {
      this.decoder.configure(this.config);
    } catch (error) {
      this.fail(error);
    }
  }

  private show(frame: VideoFrame): void {
    const now = performance.now();
    this.decoded += 1;
    this.owesSince = undefined;
    if (this.closed || !this.feed.shows(frame.timestamp, now)) {
      frame.close();
      return;
    }
    this.shownTime = frame.timestamp / 1e6;
    this.shownAt = now;
    this.screen.show(frame);
  }

  private onError(error: DOMException): void {
    // Taken back by a browser that ran short of decoders, from a page that did not use its own for a while.
    if (error.name === 'QuotaExceededError') this.feed.reset();
    else this.fail(error);
  }

  private fail(error: unknown): void {
    if (!this.closed) this.events.broken(error);
  }
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
