// What shows the media of a sitting in the video element: the seam between all that is about the stream and all that is
// about a browser's way to play it.
//
//   mse         MediaSource, SourceBuffers, and a playhead that is steered: everywhere, and with sound
//   webcodecs   a decoder that the page feeds; each picture is shown when it is there: nearer to live, video alone
//
// The sitting decides what is appended and when to take another stage; a stage never asks the service for anything. It is
// never repaired, and owns no timer.
import type { PlayCounts } from './stall-meter';
import type { InitSegment, MediaFragment } from './mp4';
import type { Timeline } from './timeline';
import type { TrackName } from './viewing';

export type Renderer = 'mse' | 'webcodecs';

export interface StageEvents {
  /** The picture stands for want of media. */
  stalled(): void;
  /** It is broken; another one may do. */
  broken(error: unknown): void;
  /** This browser cannot play such media in this way. */
  unfit(detail: string): void;
}

export interface StagePlan {
  readonly video: HTMLVideoElement;
  readonly tracks: readonly TrackName[];
  readonly timeline: Timeline;
  readonly events: StageEvents;
}

export interface LiveEdge {
  /** Decode time of the newest frame plus one frame, seconds. */
  readonly time: number;
  /** Milliseconds that a frame lasts. */
  readonly frameMs: number;
  /** Frames since the last keyframe: what a decoder must work through to get here. */
  readonly depth: number;
  /** True once the catch-up is complete, so that the edge is the live one. */
  readonly live: boolean;
}

export interface FrameCounts {
  readonly decoded: number;
  /** Due on screen, and never there. */
  readonly dropped: number;
}

export interface Stage {
  readonly renderer: Renderer;
  readonly counts: PlayCounts;
  readonly frames: FrameCounts;
  /** How long the picture has been standing for want of media, milliseconds. */
  readonly stalledMs: number;
  /** Milliseconds between what is shown and the live edge, and what is aimed at. */
  readonly margin: number | undefined;
  readonly target: number;

  /** Declares the tracks by their MIME types, before anything is appended. */
  prepare(mimes: ReadonlyMap<TrackName, string>): void;
  /** What is appended from now on is played so much later than it says. */
  offset(seconds: number): void;
  appendInit(track: TrackName, segment: InitSegment): void;
  /** A fragment has come and is about to be appended; the edge is still the one before it. */
  arriving(now: number, track: TrackName, follows: boolean): void;
  /** May change when it is presented; returns by how much later, seconds. */
  adapt(track: TrackName, segment: MediaFragment): number;
  edgeAt(edge: LiveEdge): void;
  append(now: number, track: TrackName, segment: MediaFragment): void;
  /** The first picture is on screen: from now on standing still is a stall. */
  begin(): void;
  /** For this long, being behind is worth a jump: the page was blocked or hidden, or a catch-up is complete. */
  catchUp(now: number, forMs: number): void;
  /** Called several times a second. */
  tick(now: number): void;
  /** Idempotent. Leaves the element to whoever comes next. */
  close(): void;
}
