// What the status comes to, in words: the verdict over the whole, and the names of states.
import { adviceFor, isErrorCode } from '../../engine/errors';
import type { Status, Stream, StreamState, WorkerState } from './read';

export type Level = 'good' | 'warn' | 'bad';

export interface Verdict {
  readonly level: Level;
  readonly title: string;
  /** What there is to know or to do. */
  readonly detail: string;
}

export const WORKER_WORDS: Readonly<Record<WorkerState, string>> = {
  ready: 'Ready',
  draining: 'Shutting down',
  lost: 'Lost',
};

export const STREAM_WORDS: Readonly<Record<StreamState, string>> = {
  starting: 'Starting',
  live: 'Live',
  lingering: 'Live, nobody watches',
  restarting: 'No picture, trying again',
};

export function levelOfWorker(state: WorkerState): Level {
  return state === 'ready' ? 'good' : state === 'draining' ? 'warn' : 'bad';
}

export function levelOfStream(state: StreamState): Level {
  return state === 'live' || state === 'lingering' ? 'good' : state === 'starting' ? 'warn' : 'bad';
}

/** What an error code says to people. */
export function errorWords(code: string): string {
  return adviceFor(isErrorCode(code) ? code : 'internal').title;
}

/** What wants attention first, the rest as it was. */
export function worstFirst(streams: readonly Stream[]): Stream[] {
  const rank: Readonly<Record<Level, number>> = { bad: 0, warn: 1, good: 2 };
  return [...streams].sort((a, b) => rank[levelOfStream(a.state)] - rank[levelOfStream(b.state)]);
}

/** The verdict: the worst thing there is, or that all is well. */
export function verdict(status: Status): Verdict {
  const { workers, streams, failures } = status;
  const lost = workers.filter(({ state }) => state === 'lost');
  const ready = workers.filter(({ state }) => state === 'ready');
  const dark = streams.filter((stream) => levelOfStream(stream.state) === 'bad');
  const live = streams.filter((stream) => levelOfStream(stream.state) === 'good').length;
  if (!status.brokerConnected) {
    return {
      level: 'bad',
      title: 'The gatekeeper has no connection to the message broker',
      detail: 'Nobody new can watch until it is back. It connects again by itself; its log says why it cannot.',
    };
  }
  if (ready.length === 0) {
    return {
      level: 'bad',
      title: 'No transcoder is ready',
      detail: 'Nobody can watch. Start one, or look at the log of one that is lost.',
    };
  }
  if (dark.length > 0) {
    return {
      level: 'bad',
      title: `${count(dark.length, 'camera')} ${dark.length === 1 ? 'has' : 'have'} no picture: ${names(dark)}`,
      detail: 'It is tried again and again; the table says what is the matter.',
    };
  }
  if (lost.length > 0) {
    return {
      level: 'warn',
      title: `${count(lost.length, 'transcoder')} lost: ${lost.map(({ name }) => name).join(', ')}`,
      detail: 'Its streams go on elsewhere. It is back on the list as soon as it answers.',
    };
  }
  if (ready.every(({ slotsUsed, slotsTotal }) => slotsUsed >= slotsTotal)) {
    return {
      level: 'warn',
      title: 'All slots are in use',
      detail: 'Viewers of further cameras have to wait. Add a transcoder, or raise its --max-streams.',
    };
  }
  if (failures.length > 0) {
    return {
      level: 'warn',
      title: `${count(failures.length, 'camera')} failed within the last minute: ${names(failures)}`,
      detail: 'The list below says why.',
    };
  }
  return {
    level: 'good',
    title: 'All is well',
    detail: `${count(ready.length, 'transcoder')} ready, ${count(live, 'stream')} live, ${count(status.viewers, 'viewer')}.`,
  };
}

/** "3 viewers". */
export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

/** A time span to its leading unit or two: "12 s", "5 min", "3 h 12 min", "4 d 3 h". */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [days, hours, minutes] = [Math.floor(whole / 86_400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60];
  if (days > 0) return hours > 0 ? `${days} d ${hours} h` : `${days} d`;
  if (hours > 0) return minutes > 0 ? `${hours} h ${minutes} min` : `${hours} h`;
  return minutes > 0 ? `${minutes} min` : `${whole} s`;
}

/** Milliseconds as people say them: "68 ms", "1.4 s". */
export function duration(ms: number | undefined): string {
  if (ms === undefined) return '–';
  return ms < 1000 ? `${Math.round(ms)} ms` : `${Math.round(ms / 100) / 10} s`;
}

/** A ratio in percent; below a tenth of one it is told apart from none. */
export function percent(ratio: number | undefined): string {
  if (ratio === undefined) return '–';
  if (ratio === 0) return '0 %';
  if (ratio < 0.001) return '< 0.1 %';
  return `${ratio < 0.1 ? Math.round(ratio * 1000) / 10 : Math.round(ratio * 100)} %`;
}

/** "640 × 360, 30 fps", as far as it is known. */
export function picture({ width, height, framesPerSecond }: Stream): string {
  const size = width > 0 && height > 0 ? `${width} × ${height}` : '';
  const rate = framesPerSecond > 0 ? `${Math.round(framesPerSecond)} fps` : '';
  return [size, rate].filter(Boolean).join(', ') || '–';
}

/** A camera of a pattern has a digest of its address behind its entry's name, and cannot be asked for by name. */
export function splitName(source: string): { readonly name: string; readonly digest: string | undefined } {
  const [name = source, digest] = source.split('~');
  return { name, digest };
}

function names(streams: readonly { readonly source: string }[]): string {
  const MOST = 3;
  const all = [...new Set(streams.map(({ source }) => splitName(source).name))];
  return all.length > MOST ? `${all.slice(0, MOST).join(', ')} and ${all.length - MOST} more` : all.join(', ');
}
