// The stage that plays everywhere, and with sound: a MediaSource in the element, and a playhead held at the live edge.
//
// It is where sink and pilot meet: what is in the buffer, and where the playhead stands in it. It also keeps the buffer
// small behind the playhead.
import { VIDEO_ONLY, WITH_AUDIO } from './live-edge';
import type { InitSegment, MediaFragment } from './mp4';
import { Pilot } from './pilot';
import { trimPoint } from './playhead';
import { canPlay, Sink } from './sink';
import type { FrameCounts, LiveEdge, Stage, StageEvents, StagePlan } from './stage';
import { Stagger } from './stagger';
import type { PlayCounts } from './stall-meter';
import type { Timeline } from './timeline';
import type { TrackName } from './viewing';

const TRIM_EVERY_MS = 5000;
/** A timer this late was held up by a busy or hidden page. */
const BLOCKED_MS = 600;

export class MseStage implements Stage {
  readonly renderer = 'mse';
  private readonly video: HTMLVideoElement;
  private readonly timeline: Timeline;
  private readonly events: StageEvents;
  private readonly sink: Sink;
  private readonly pilot: Pilot;
  private readonly stagger = new Stagger();
  private closed = false;
  private trimmed = 0;
  private ticked: number | undefined;
  /** Frames that were decoded and thrown away on the way to the live edge, before the first was up. */
  private skipped = 0;

  constructor({ video, tracks, timeline, events }: StagePlan) {
    this.video = video;
    this.timeline = timeline;
    this.events = events;
    const isSilent = !tracks.includes('audio');
    const pilotEvents = { stalled: () => events.stalled(), seeked: () => undefined };
    this.pilot = new Pilot(video, isSilent ? VIDEO_ONLY : WITH_AUDIO, pilotEvents, isSilent && isChromium());
    this.sink = new Sink(video, {
      appended: () => this.pilot.look(performance.now(), this.sink.buffered),
      makeRoom: () => this.makeRoom(),
      failed: (error) => events.broken(error),
    });
    this.pilot.attached();
  }

  get counts(): PlayCounts {
    return this.pilot.counts;
  }

  get frames(): FrameCounts {
    const { totalVideoFrames, droppedVideoFrames } = this.video.getVideoPlaybackQuality();
    return { decoded: totalVideoFrames, dropped: Math.max(0, droppedVideoFrames - this.skipped) };
  }

  get stalledMs(): number {
    return this.pilot.stalledMs;
  }

  get margin(): number | undefined {
    return this.pilot.margin;
  }

  get target(): number {
    return this.pilot.target;
  }

  prepare(mimes: ReadonlyMap<TrackName, string>): void {
    const unplayable = [...mimes.values()].find((mime) => !canPlay(mime));
    if (unplayable !== undefined) {
      this.events.unfit(unplayable);
      return;
    }
    void this.sink.opened.then(() => {
      if (!this.closed) this.sink.start(mimes);
    });
  }

  offset(seconds: number): void {
    this.sink.offset(seconds);
  }

  appendInit(track: TrackName, segment: InitSegment): void {
    this.sink.appendInit(track, segment);
  }

  arriving(now: number, track: TrackName, follows: boolean): void {
    if (track === 'video') {
      this.pilot.beforeAppend(now, follows);
      return;
    }
    const edge = this.timeline.edgeOf('audio');
    const picture = this.timeline.edgeOf('video');
    if (edge === undefined || picture === undefined || !follows) return;
    this.pilot.beforeAudio(now, edge, (picture - edge) * 1000);
  }

  adapt(track: TrackName, segment: MediaFragment): number {
    if (track === 'audio' || !this.pilot.runsAhead) return 0;
    const { timeline } = this;
    return this.stagger.put(segment, timeline.timescaleOf('video'), timeline.frameDuration);
  }

  edgeAt(edge: LiveEdge): void {
    this.pilot.edgeAt(edge);
  }

  append(_: number, track: TrackName, segment: MediaFragment): void {
    this.sink.append(track, segment.bytes);
  }

  begin(): void {
    this.skipped = this.video.getVideoPlaybackQuality().droppedVideoFrames;
    this.pilot.start();
  }

  catchUp(now: number, forMs: number): void {
    this.pilot.catchUp(now, forMs);
  }

  tick(now: number): void {
    if (this.ticked !== undefined && now - this.ticked > BLOCKED_MS) this.pilot.catchUp(now, 1500);
    this.ticked = now;
    this.pilot.look(now, this.sink.buffered);
    this.pilot.meter(now);
    if (now - this.trimmed > TRIM_EVERY_MS) {
      this.trimmed = now;
      this.trim();
    }
  }

  close(): void {
    this.closed = true;
    this.pilot.detached();
    this.sink.close();
  }

  private trim(): void {
    const { timeline, sink } = this;
    const { edge } = timeline;
    const [front] = sink.buffered;
    if (edge === undefined || !front) return;
    const point = trimPoint(timeline.keyframeTimes, this.video.currentTime, edge);
    if (point === undefined || point <= front.start) return;
    timeline.trimmed(point);
    sink.trim(point);
  }

  private makeRoom(): number | undefined {
    const [front] = this.sink.buffered;
    const point = this.timeline.keyframeTimes.findLast((time) => time <= this.video.currentTime);
    return front && point !== undefined && point > front.start ? point : undefined;
  }
}

function isChromium(): boolean {
  return /Chrom(e|ium)\//.test(navigator.userAgent);
}
