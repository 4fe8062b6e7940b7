// States and figures as people read them.
import type { PlayerError } from '../engine/errors';
import type { PlayerState } from '../engine/state';
import type { PlayerStats } from '../engine/stats';

export function stateWords(state: PlayerState, error?: PlayerError): string {
  switch (state) {
    case 'idle':
      return 'Stopped';
    case 'connecting':
      return error ? `${error.advice.title}. Connecting again…` : 'Connecting…';
    case 'starting':
      return 'Starting the camera…';
    case 'playing':
      return 'Live';
    case 'stalled':
      return 'Waiting for the picture…';
    case 'restarting':
      return 'Camera lost, reconnecting…';
    case 'reconnecting':
      return 'Connection lost, reconnecting…';
    case 'waiting':
      return error ? `${error.advice.title}. Trying again…` : 'Trying again…';
    case 'failed':
      return error?.advice.title ?? 'Cannot play';
  }
}

export function milliseconds(value: number | undefined): string {
  if (value === undefined) return '–';
  return value < 10_000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(1)} s`;
}

export function bits(perSecond: number): string {
  if (perSecond <= 0) return '–';
  if (perSecond < 1_000_000) return `${Math.round(perSecond / 1000)} kbit/s`;
  return `${(perSecond / 1_000_000).toFixed(1)} Mbit/s`;
}

/** The rows of the overlay: label and value. */
export function figures(stats: PlayerStats): [string, string][] {
  const { width, height, fps } = stats;
  const codecs = [stats.codec, stats.tracks.includes('audio') ? stats.audioCodec : undefined].filter(Boolean);
  const picture = width !== undefined && height !== undefined ? `${width} × ${height}` : '–';
  return [
    ['Latency', milliseconds(stats.latencyMs)],
    ['Bit rate', bits(stats.bitrate)],
    ['Picture', fps === undefined ? picture : `${picture}, ${fps} fps`],
    ['Codec', codecs.length > 0 ? codecs.join(', ') : '–'],
    ['Stalls', stats.stalls === 0 ? 'none' : `${stats.stalls} (${(stats.rebufferMs / 1000).toFixed(1)} s)`],
    ['Frames lost', `${stats.droppedFrames} of ${stats.decodedFrames}`],
    ['Worker', stats.worker ?? '–'],
  ];
}
