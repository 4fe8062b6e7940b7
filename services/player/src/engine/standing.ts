// What a player says that it is doing, with the reason when it is not playing; told when it changes.
import type { PlayerEvents } from './contract';
import type { Emitter } from './emitter';
import type { PlayerError } from './errors';
import { stateOf, type Circumstances, type PlayerState } from './state';

export class Standing {
  /** Why there is no connection. */
  connectionError: PlayerError | undefined;
  private current: PlayerState = 'idle';
  private lastError: PlayerError | undefined;

  constructor(private readonly events: Emitter<PlayerEvents>) {}

  get state(): PlayerState {
    return this.current;
  }

  get error(): PlayerError | undefined {
    return this.lastError;
  }

  /** While it plays, or tries to. */
  update(circumstances: Circumstances): void {
    const { phase } = circumstances;
    const ended = phase.kind === 'failed' || phase.kind === 'waiting';
    const error = ended ? phase.error : this.connectionError;
    const isNew = error !== this.lastError;
    this.lastError = error;
    this.enter(stateOf(circumstances));
    if (error && isNew) this.events.emit('error', error);
  }

  /** It does not try any more; `error` is why, if nobody asked for that. */
  rest(error?: PlayerError): void {
    this.connectionError = undefined;
    this.lastError = error;
    this.enter(error ? 'failed' : 'idle');
  }

  private enter(state: PlayerState): void {
    if (state === this.current) return;
    this.current = state;
    this.events.emit('state', state);
  }
}
