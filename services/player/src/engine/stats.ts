// What a player says about itself: a plain object, made on demand, safe to keep and to serialise.
import type { Player } from './player';
import type { Sitting } from './sitting';
import type { Renderer } from './stage';
import type { PlayerState } from './state';
import type { Totals } from './tally';

export interface PlayerStats extends Readonly<Totals> {
  readonly state: PlayerState;
  readonly session: string;
  readonly source: string | undefined;
  readonly profile: string | undefined;
  readonly worker: string | undefined;
  readonly generation: number | undefined;
  readonly liveTopic: string | undefined;
  /** How the picture gets on screen: what was wanted, or what is possible. */
  readonly renderer: Renderer | undefined;
  /** Which tracks are asked for. */
  readonly tracks: readonly string[];
  readonly codec: string | undefined;
  readonly audioCodec: string | undefined;
  readonly width: number | undefined;
  readonly height: number | undefined;
  readonly fps: number | undefined;
  /** Bits a second that arrive for this player. */
  readonly bitrate: number;
  /**
   * From when the picture reached the worker to when it was on screen, milliseconds. Undefined until the worker's clock is
   * known well enough.
   */
  readonly latencyMs: number | undefined;
  /** Milliseconds between playhead and live edge, and what is aimed at. */
  readonly marginMs: number | undefined;
  readonly targetMs: number | undefined;
  readonly playbackRate: number;
  readonly currentTime: number;
  /** From play() to the first frame, milliseconds. */
  readonly firstFrameMs: number | undefined;
  readonly restarts: number | undefined;
  readonly error: { readonly code: string; readonly title: string; readonly advice: string; readonly detail: string } | undefined;
}

export interface Inputs {
  readonly player: Player;
  readonly sitting: Sitting | undefined;
  readonly totals: Totals;
  readonly latencyMs: number | undefined;
  readonly firstFrameMs: number | undefined;
}

export function snapshot({ player, sitting, totals, latencyMs, firstFrameMs }: Inputs): PlayerStats {
  const { video, error } = player;
  const described = sitting?.described;
  const frame = sitting?.timeline.frameDuration;
  return {
    ...totals,
    state: player.state,
    session: player.session,
    source: described?.source,
    profile: described?.profile,
    worker: sitting?.status?.worker ?? sitting?.lastTick?.worker ?? described?.worker,
    generation: sitting?.generation,
    liveTopic: described?.liveTopic,
    renderer: sitting?.stage.renderer,
    tracks: sitting?.tracks ?? [],
    codec: sitting?.picture.codec,
    audioCodec: sitting?.picture.audioCodec,
    width: sitting?.picture.width,
    height: sitting?.picture.height,
    fps: sitting?.generation === undefined || frame === undefined ? undefined : Math.round(10 / frame) / 10,
    bitrate: sitting ? Math.round(sitting.bitrate.value(performance.now())) : 0,
    latencyMs: latencyMs === undefined ? undefined : Math.round(latencyMs),
    marginMs: sitting?.stage.margin,
    targetMs: sitting?.stage.target,
    playbackRate: video.playbackRate,
    currentTime: video.currentTime,
    firstFrameMs: firstFrameMs === undefined ? undefined : Math.round(firstFrameMs),
    restarts: sitting?.lastTick?.restarts,
    error: error && { code: error.code, title: error.advice.title, advice: error.advice.advice, detail: error.detail },
  };
}
