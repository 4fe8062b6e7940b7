// The JSON of the viewer's protocol (proto/MQTT.md): what the player sends, and a careful reading of what it gets.
//
// Replies are foreign bytes. What is missing or of another type reads as absent; only what cannot be done without makes
// a message unreadable (undefined). Nothing outside this file knows field names.
import { isErrorCode, PlayerError } from './errors';

/** What to play: by name, or by an allowlisted URL. */
export type Target = { readonly source: string } | { readonly url: string };

export interface Wanted {
  readonly target: Target;
  readonly profile: string | undefined;
  readonly token: string | undefined;
  readonly session: string;
  /** The trace of this play, as long as it is not told to its end. */
  readonly traceparent: () => string | undefined;
}

export interface Described {
  readonly source: string;
  readonly profile: string;
  readonly liveTopic: string;
  readonly generation: number;
  readonly worker: string | undefined;
  readonly video: TrackDescription & { readonly width: number | undefined; readonly height: number | undefined };
  readonly audio: TrackDescription | undefined;
}

export interface TrackDescription {
  readonly mimeCodec: string;
  readonly codec: string;
}

export type JobState = 'starting' | 'live' | 'restarting' | 'ended';

export interface Status {
  readonly state: JobState;
  readonly worker: string | undefined;
  readonly generation: number | undefined;
  readonly time: number | undefined;
  readonly error: PlayerError | undefined;
}

export interface Tick {
  readonly time: number;
  readonly worker: string;
  readonly state: JobState | undefined;
  readonly fps: number | undefined;
  readonly viewers: number | undefined;
  readonly restarts: number | undefined;
  /** How long pictures were with the worker before it published them, and what it takes to the broker; milliseconds. */
  readonly heldMs: number | undefined;
  readonly latencyMs: number | undefined;
}

export interface ListedSource {
  readonly name: string;
  readonly profiles: readonly string[];
}

export function describeRequest(wanted: Wanted, replyTopic: string): string {
  return JSON.stringify({ ...common(wanted), reply_topic: replyTopic });
}

export function playRequest(wanted: Wanted, replyTopic: string, tracks: readonly string[]): string {
  return JSON.stringify({ ...common(wanted), reply_topic: replyTopic, delivery: 'live', tracks });
}

export function stopRequest(replyTopic: string): string {
  return JSON.stringify({ reply_topic: replyTopic });
}

/** What a viewer got to see, for the service's statistics. */
export interface Quality {
  readonly session: string;
  readonly source: string | undefined;
  readonly profile: string | undefined;
  readonly firstFrameMs: number | undefined;
  /** From play() to the first media that came; told with firstFrameMs, as is the time since play(). */
  readonly firstMediaMs: number | undefined;
  readonly sincePlayMs: number | undefined;
  readonly latencyMs: { readonly p50: number; readonly p95: number } | undefined;
  readonly watchedMs: number;
  readonly stalls: number;
  readonly rebufferMs: number;
  readonly droppedFrames: number;
  readonly decodedFrames: number;
  readonly reconnects: number;
  readonly decoderErrors: number;
}

export function qualityReport(quality: Quality): string {
  const { latencyMs, firstFrameMs, firstMediaMs, sincePlayMs } = quality;
  return JSON.stringify({
    session: quality.session,
    source: quality.source,
    profile: quality.profile,
    first_frame_ms: firstFrameMs && Math.round(firstFrameMs),
    first_media_ms: firstMediaMs && Math.round(firstMediaMs),
    since_play_ms: sincePlayMs && Math.round(sincePlayMs),
    latency_ms: latencyMs && { p50: Math.round(latencyMs.p50), p95: Math.round(latencyMs.p95) },
    watched_ms: Math.round(quality.watchedMs),
    stalls: quality.stalls,
    rebuffer_ms: Math.round(quality.rebufferMs),
    dropped_frames: quality.droppedFrames,
    decoded_frames: quality.decodedFrames,
    reconnects: quality.reconnects,
    decoder_errors: quality.decoderErrors,
  });
}

function common({ target, profile, token, session }: Wanted): Record<string, unknown> {
  return { ...target, profile, token, session };
}

/** A describe reply or a refusal; undefined: neither. */
export function readReply(payload: Uint8Array): Described | PlayerError | undefined {
  const json = parse(payload);
  if (!json) return undefined;
  const refusal = readError(json);
  if (refusal) return refusal;
  const liveTopic = text(json['live_topic']);
  const tracks = record(json['tracks']);
  const video = record(tracks?.['video']);
  const videoTrack = video && readTrack(video);
  if (liveTopic === undefined || !videoTrack) return undefined;
  const audio = record(tracks?.['audio']);
  return {
    source: text(json['source']) ?? '',
    profile: text(json['profile']) ?? '',
    liveTopic,
    generation: number(json['generation']) ?? 0,
    worker: text(json['worker']),
    video: { ...videoTrack, width: number(video['width']), height: number(video['height']) },
    audio: audio && readTrack(audio),
  };
}

export function readStatus(payload: Uint8Array): Status | undefined {
  const json = parse(payload);
  if (!json) return undefined;
  const error = readError(json);
  const state = readState(json['state']) ?? (error ? 'ended' : undefined);
  if (!state) return undefined;
  return { state, worker: text(json['worker']), generation: number(json['generation']), time: number(json['time']), error };
}

export function readTick(payload: Uint8Array): Tick | undefined {
  const json = parse(payload);
  const time = number(json?.['time']);
  if (!json || time === undefined) return undefined;
  return {
    time,
    worker: text(json['worker']) ?? '',
    state: readState(json['state']),
    fps: number(json['fps']),
    viewers: number(json['viewers']),
    restarts: number(json['restarts']),
    heldMs: duration(json['held_ms']),
    latencyMs: duration(json['latency_ms']),
  };
}

export function readSources(payload: Uint8Array): ListedSource[] {
  const list = parse(payload)?.['sources'];
  if (!Array.isArray(list)) return [];
  return list.flatMap((entry: unknown) => {
    const name = text(record(entry)?.['name']);
    const profiles = record(entry)?.['profiles'];
    if (name === undefined) return [];
    return [{ name, profiles: Array.isArray(profiles) ? profiles.filter((p) => typeof p === 'string') : [] }];
  });
}

function readError(json: Record<string, unknown>): PlayerError | undefined {
  const detail = text(json['error']);
  const code = json['code'];
  if (detail === undefined && code === undefined) return undefined;
  const seconds = number(json['retry_after_s']);
  return new PlayerError(
    isErrorCode(code) ? code : 'internal',
    detail,
    seconds === undefined ? undefined : Math.max(0, seconds) * 1000,
  );
}

function readTrack(track: Record<string, unknown>): TrackDescription | undefined {
  const mimeCodec = text(track['mimeCodec']);
  return mimeCodec === undefined ? undefined : { mimeCodec, codec: text(track['codec']) ?? '' };
}

function readState(value: unknown): JobState | undefined {
  switch (value) {
    case 'starting':
    case 'live':
    case 'restarting':
    case 'ended':
      return value;
    case 'lingering':
      return 'live';
    default:
      return undefined;
  }
}

function parse(payload: Uint8Array): Record<string, unknown> | undefined {
  try {
    return record(JSON.parse(new TextDecoder().decode(payload)));
  } catch {
    return undefined;
  }
}

function record(value: unknown): Record<string, unknown> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function number(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function duration(value: unknown): number | undefined {
  const found = number(value);
  return found !== undefined && found >= 0 ? found : undefined;
}
