// From messages to what may be appended: assembles, reads the boxes, splices; one of each for each track.
//
// The catch-up of all tracks comes as one count of messages on the reply topic, and is sorted by track_ID; live tracks
// have a topic, and so a count, each.
import { Assembler } from './assembler';
import type { Incoming } from './connection';
import { parsePosition } from './correlation';
import { Mp4Error, readSegments, type Segment } from './mp4';
import { Splice, type Origin, type Step } from './splice';
import type { TrackName } from './viewing';

export interface Taken {
  readonly track: TrackName;
  readonly steps: Step[];
}

export interface IntakeCounts {
  readonly lostMessages: number;
  readonly gaps: number;
  /** Messages that are not what they should be. */
  readonly damaged: number;
}

const TRACK_IDS: ReadonlyMap<number, TrackName> = new Map([
  [1, 'video'],
  [2, 'audio'],
]);

export class Intake {
  private readonly catchUp = new Assembler();
  private readonly live: Record<TrackName, Assembler> = { video: new Assembler(), audio: new Assembler() };
  private readonly splices: Record<TrackName, Splice> = { video: new Splice(false), audio: new Splice(true) };
  private damaged = 0;

  constructor(private readonly tracks: readonly TrackName[]) {}

  get counts(): IntakeCounts {
    const { video, audio } = this.live;
    return {
      lostMessages: video.counts.lost + audio.counts.lost + this.catchUp.counts.lost,
      gaps: this.splices.video.counts.gaps + this.splices.audio.counts.gaps,
      damaged: this.damaged,
    };
  }

  /** True once every track has come from the catch-up to the live topic. */
  get flowing(): boolean {
    return this.tracks.every((track) => this.splices[track].flowing);
  }

  get needsInit(): boolean {
    return this.tracks.some((track) => this.splices[track].needsInit);
  }

  /** Play was sent: a catch-up comes. After a new connection, the numbers of the old one mean nothing. */
  restart(connectionIsNew: boolean): void {
    this.catchUp.reset();
    for (const track of this.tracks) {
      this.splices[track].restart();
      if (connectionIsNew) this.live[track].reset();
    }
  }

  push(origin: Origin, topicTrack: TrackName | undefined, message: Incoming): Taken[] {
    const position = parsePosition(message.correlation);
    if (!position) {
      this.damaged += 1;
      return [];
    }
    const assembler = topicTrack ? this.live[topicTrack] : this.catchUp;
    const assembled = assembler.push(position, message.payload);
    if (!assembled) return [];
    return this.read(assembled.bytes).flatMap((segment) => {
      const track = trackOf(segment);
      if (!track || !this.tracks.includes(track)) return [];
      const steps = this.splices[track].push(origin, assembled.generation, segment);
      return steps.length > 0 ? [{ track, steps }] : [];
    });
  }

  private read(bytes: Uint8Array): Segment[] {
    try {
      return readSegments(bytes);
    } catch (error) {
      if (!(error instanceof Mp4Error)) throw error;
      this.damaged += 1;
      return [];
    }
  }
}

function trackOf(segment: Segment): TrackName | undefined {
  return TRACK_IDS.get(segment.kind === 'init' ? (segment.tracks[0]?.id ?? 0) : segment.trackId);
}
