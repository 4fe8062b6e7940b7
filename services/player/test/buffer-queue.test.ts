import { beforeEach, describe, expect, test } from 'vitest';
import { BufferQueue, type Buffer } from '../src/engine/buffer-queue';

/** Keeps what it is told, and ends an operation when the test says so. */
class Recorder implements Buffer {
  updating = false;
  readonly calls: string[] = [];
  quota = Infinity;
  set timestampOffset(seconds: number) {
    if (this.updating) throw new Error('InvalidStateError');
    this.calls.push(`offset ${seconds}`);
  }

  private readonly listeners = new Map<string, Set<() => void>>();

  appendBuffer(bytes: BufferSource): void {
    const list = [...(bytes as Uint8Array)];
    if (list.length > this.quota) throw Object.assign(new Error('full'), { name: 'QuotaExceededError' });
    this.begin(`append ${list.join(',')}`);
  }

  changeType(mime: string): void {
    this.calls.push(`type ${mime}`);
  }

  remove(start: number, end: number): void {
    this.begin(`remove ${start}-${end}`);
  }

  addEventListener(type: string, listener: () => void): void {
    const set = this.listeners.get(type) ?? new Set();
    this.listeners.set(type, set.add(listener));
  }

  removeEventListener(type: string, listener: () => void): void {
    this.listeners.get(type)?.delete(listener);
  }

  end(): void {
    this.updating = false;
    for (const listener of this.listeners.get('updateend') ?? []) listener();
  }

  get listenerCount(): number {
    return [...this.listeners.values()].reduce((sum, set) => sum + set.size, 0);
  }

  private begin(call: string): void {
    if (this.updating) throw new Error('InvalidStateError');
    this.calls.push(call);
    this.updating = true;
  }
}

let buffer: Recorder;
let queue: BufferQueue;
let room: (number | undefined)[];
let heard: string[];

beforeEach(() => {
  buffer = new Recorder();
  room = [];
  heard = [];
  queue = new BufferQueue(buffer, {
    appended: () => heard.push('appended'),
    makeRoom: () => room.shift(),
    failed: () => heard.push('failed'),
  });
});

const append = (...bytes: number[]): void => queue.push({ kind: 'append', bytes: Uint8Array.from(bytes) });

test('what waits is appended in one append', () => {
  append(1);
  append(2);
  append(3);
  buffer.end();
  expect(buffer.calls).toEqual(['append 1', 'append 2,3']);
});

test('a change of type or offset keeps its place among the appends', () => {
  append(1);
  append(2);
  queue.push({ kind: 'type', mime: 'video/mp4' });
  append(3);
  append(4);
  queue.push({ kind: 'offset', seconds: 0.5 });
  append(5);
  buffer.end();
  buffer.end();
  buffer.end();
  expect(buffer.calls).toEqual(['append 1', 'append 2', 'type video/mp4', 'append 3,4', 'offset 0.5', 'append 5']);
});

test('tells of appends, not of removals', () => {
  append(1);
  buffer.end();
  queue.push({ kind: 'remove', start: 0, end: 5 });
  buffer.end();
  expect(heard).toEqual(['appended']);
});

describe('a full buffer', () => {
  test('is made room in, and the append tried again', () => {
    append(1);
    room = [30];
    buffer.quota = 0;
    append(2);
    buffer.end();
    expect(buffer.calls).toEqual(['append 1', 'remove 0-30']);
    buffer.quota = 10;
    buffer.end();
    expect(buffer.calls.at(-1)).toBe('append 2');
    expect(heard).not.toContain('failed');
  });

  test('in which no room can be made has failed', () => {
    buffer.quota = 0;
    append(1);
    expect(heard).toEqual(['failed']);
  });
});

test('after close nothing is done, and nothing is listened to', () => {
  append(1);
  queue.close();
  buffer.end();
  append(2);
  expect(buffer.calls).toEqual(['append 1']);
  expect(buffer.listenerCount).toBe(0);
});
