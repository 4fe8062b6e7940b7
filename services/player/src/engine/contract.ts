// What a page gives to a player, and what it hears from it.
import type { PlayerError } from './errors';
import type { Renderer } from './stage';
import type { PlayerState } from './state';
import type { PlayerStats } from './stats';
import type { Target } from './wire';

export interface PlayerOptions {
  /** WebSocket URL of the broker; may hold a login. */
  readonly broker: string;
  /** First level of the topics; "video" unless the service was told otherwise. */
  readonly topicPrefix?: string;
  /** What to play: a name, or an allowlisted URL. */
  readonly target: Target;
  readonly profile?: string | undefined;
  readonly token?: string | undefined;
  /** True: video alone, which starts sooner, stays nearer to the live edge, and is all that autoplay allows. */
  readonly muted?: boolean;
  /** How the picture gets on screen where there is a choice; default: mse. What it came to is in the stats. */
  readonly renderer?: Renderer;
}

export interface PlayerEvents {
  state: PlayerState;
  /** Once for each refusal or failure, in the words of PlayerError. */
  error: PlayerError;
  /** About once a second while it plays. */
  stats: PlayerStats;
  /** The first frame from the current stage is on screen; milliseconds since play(), or since the swap. */
  firstframe: number;
  stall: undefined;
  generation: number;
  /** The video element is about to lose its picture, to a new stage; draw it now to keep it. */
  swap: undefined;
  /** Muted or not, by the user or because autoplay asked for it. */
  muted: boolean;
}
