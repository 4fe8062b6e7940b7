// /status.json as this page uses it. What is missing or of another type reads as nothing, so that a page of one version
// shows what it can of a gatekeeper of another.

export type WorkerState = 'ready' | 'draining' | 'lost';
export type StreamState = 'starting' | 'live' | 'lingering' | 'restarting';

export interface Worker {
  readonly name: string;
  readonly state: WorkerState;
  readonly slotsTotal: number;
  readonly slotsUsed: number;
  readonly cpuCores: number;
  readonly streams: number;
  readonly viewers: number;
}

export interface Stream {
  readonly source: string;
  readonly profile: string;
  readonly worker: string;
  readonly state: StreamState;
  readonly viewers: number;
  /** Empty and zero: not known yet. */
  readonly codec: string;
  readonly width: number;
  readonly height: number;
  readonly framesPerSecond: number;
  readonly restarts: number;
  readonly lastError: string | undefined;
}

/** A stream that ended because its source failed. */
export interface Failure {
  readonly source: string;
  readonly profile: string;
  readonly worker: string;
  readonly error: string;
  /** Unix time, milliseconds. */
  readonly time: number;
}

/** Milliseconds. */
export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
}

/** A column of the history; undefined: not known then. */
export type Column = readonly (number | undefined)[];

export interface History {
  /** Unix time, milliseconds. */
  readonly time: readonly number[];
  readonly slotsTotal: Column;
  readonly slotsUsed: Column;
  readonly viewers: Column;
  readonly latencyP50: Column;
  readonly latencyP95: Column;
  readonly firstFrameP50: Column;
  readonly firstFrameP95: Column;
  readonly rebufferRatio: Column;
  /** Since the sample before. */
  readonly restarts: Column;
}

export interface Status {
  readonly version: string;
  /** Unix time, milliseconds, by the gatekeeper's clock. */
  readonly time: number;
  readonly uptimeSeconds: number;
  readonly leader: boolean;
  /** Other gatekeepers may run beside the one that answered. */
  readonly several: boolean;
  readonly brokerConnected: boolean;
  readonly workers: readonly Worker[];
  readonly streams: readonly Stream[];
  readonly failures: readonly Failure[];
  readonly viewers: number;
  readonly latency: Percentiles | undefined;
  readonly firstFrame: Percentiles | undefined;
  readonly rebufferRatio: number | undefined;
  readonly history: History;
}

const WORKER_STATES: readonly WorkerState[] = ['ready', 'draining', 'lost'];
const STREAM_STATES: readonly StreamState[] = ['starting', 'live', 'lingering', 'restarting'];

/** Reads the answer; undefined when it is no status at all. */
export function readStatus(json: unknown): Status | undefined {
  const status = record(json);
  if (!Array.isArray(status['workers']) || !Array.isArray(status['streams'])) return undefined;
  const viewers = record(status['viewers']);
  return {
    version: text(status['version']),
    time: number(status['time']),
    uptimeSeconds: number(status['uptime_s']),
    leader: status['leader'] === true,
    several: status['several'] === true,
    brokerConnected: record(status['broker'])['connected'] === true,
    workers: list(status['workers']).map(readWorker),
    streams: list(status['streams']).map(readStream),
    failures: list(status['failures']).map(readFailure),
    viewers: number(viewers['count']),
    latency: percentiles(viewers['latency_ms']),
    firstFrame: percentiles(viewers['first_frame_ms']),
    rebufferRatio: maybe(viewers['rebuffer_ratio']),
    history: readHistory(record(status['history'])),
  };
}

function readWorker(worker: Record<string, unknown>): Worker {
  return {
    name: text(worker['name']),
    state: oneOf(WORKER_STATES, worker['state'], 'lost'),
    slotsTotal: number(worker['slots_total']),
    slotsUsed: number(worker['slots_used']),
    cpuCores: number(worker['cpu_cores']),
    streams: number(worker['streams']),
    viewers: number(worker['viewers']),
  };
}

function readStream(stream: Record<string, unknown>): Stream {
  return {
    source: text(stream['source']),
    profile: text(stream['profile']),
    worker: text(stream['worker']),
    state: oneOf(STREAM_STATES, stream['state'], 'starting'),
    viewers: number(stream['viewers']),
    codec: text(stream['codec']),
    width: number(stream['width']),
    height: number(stream['height']),
    framesPerSecond: number(stream['frames_per_second']),
    restarts: number(stream['restarts']),
    lastError: text(stream['last_error']) || undefined,
  };
}

function readFailure(failure: Record<string, unknown>): Failure {
  return {
    source: text(failure['source']),
    profile: text(failure['profile']),
    worker: text(failure['worker']),
    error: text(failure['error']),
    time: number(failure['time']),
  };
}

function readHistory(history: Record<string, unknown>): History {
  const column = (name: string): Column => (Array.isArray(history[name]) ? history[name].map(maybe) : []);
  return {
    time: column('time').map((time) => time ?? 0),
    slotsTotal: column('slots_total'),
    slotsUsed: column('slots_used'),
    viewers: column('viewers'),
    latencyP50: column('latency_p50_ms'),
    latencyP95: column('latency_p95_ms'),
    firstFrameP50: column('first_frame_p50_ms'),
    firstFrameP95: column('first_frame_p95_ms'),
    rebufferRatio: column('rebuffer_ratio'),
    restarts: column('restarts'),
  };
}

function percentiles(value: unknown): Percentiles | undefined {
  const p50 = maybe(record(value)['p50']);
  const p95 = maybe(record(value)['p95']);
  return p50 === undefined || p95 === undefined ? undefined : { p50, p95 };
}

function oneOf<T extends string>(all: readonly T[], value: unknown, otherwise: T): T {
  return all.find((one) => one === value) ?? otherwise;
}

function list(value: unknown): Record<string, unknown>[] {
  return Array.isArray(value) ? value.map(record) : [];
}

function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function maybe(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function number(value: unknown): number {
  return maybe(value) ?? 0;
}
