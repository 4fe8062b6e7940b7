// The engine as a module: everything that a page needs that builds its own skin.
export { Player } from './engine/player';
export type { PlayerEvents, PlayerOptions } from './engine/contract';
export type { Renderer } from './engine/stage';
export type { PlayerState } from './engine/state';
export type { PlayerStats } from './engine/stats';
export { PlayerError, adviceFor, type Advice, type ErrorCode } from './engine/errors';
export { loadConfig, type Config } from './engine/config';
export { watchSources } from './engine/sources';
export type { ListedSource, Target } from './engine/wire';
