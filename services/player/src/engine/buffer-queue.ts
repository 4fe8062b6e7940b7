// A SourceBuffer as a queue: one operation at a time, in order, and everything that waits to be appended in one append.
//
// It handles a full buffer by making room behind the playhead; every other failure is its owner's, who builds a new
// MediaSource. After close() it does nothing.
import { join } from './assembler';

export type Operation =
  | { readonly kind: 'append'; readonly bytes: Uint8Array }
  | { readonly kind: 'type'; readonly mime: string }
  | { readonly kind: 'offset'; readonly seconds: number }
  | { readonly kind: 'remove'; readonly start: number; readonly end: number };

/** What the queue needs of a SourceBuffer. */
export interface Buffer {
  readonly updating: boolean;
  timestampOffset: number;
  appendBuffer(bytes: BufferSource): void;
  changeType(mime: string): void;
  remove(start: number, end: number): void;
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

export interface BufferQueueOwner {
  /** Something was appended. */
  appended(): void;
  /** The buffer is full: up to where may be removed, at most? Undefined: nothing can go. */
  makeRoom(): number | undefined;
  failed(error: unknown): void;
}

export class BufferQueue {
  private queue: Operation[] = [];
  private running: Operation['kind'] | undefined;
  private closed = false;
  private readonly ended = (): void => {
    const finished = this.running;
    this.running = undefined;
    if (finished === 'append') this.owner.appended();
    this.pump();
  };
  private readonly broke = (): void => this.fail(new Error('the media was refused'));

  constructor(
    private readonly buffer: Buffer,
    private readonly owner: BufferQueueOwner,
  ) {
    buffer.addEventListener('updateend', this.ended);
    buffer.addEventListener('error', this.broke);
  }

  push(operation: Operation): void {
    this.queue.push(operation);
    this.pump();
  }

  close(): void {
    this.closed = true;
    this.queue = [];
    this.buffer.removeEventListener('updateend', this.ended);
    this.buffer.removeEventListener('error', this.broke);
  }

  private pump(): void {
    while (!this.closed && this.running === undefined && !this.buffer.updating) {
      const operation = this.take();
      if (!operation) return;
      try {
        this.run(operation);
      } catch (error) {
        if (!isQuota(error) || operation.kind !== 'append') {
          this.fail(error);
          return;
        }
        const end = this.owner.makeRoom();
        if (end === undefined) {
          this.fail(error);
          return;
        }
        this.queue.unshift({ kind: 'remove', start: 0, end }, operation);
      }
    }
  }

  /** The next operation; appends in a row are one. */
  private take(): Operation | undefined {
    const chunks: Uint8Array[] = [];
    let size = 0;
    for (let next = this.queue[0]; next?.kind === 'append'; next = this.queue[0]) {
      chunks.push(next.bytes);
      size += next.bytes.length;
      this.queue.shift();
    }
    return chunks.length > 0 ? { kind: 'append', bytes: join(chunks, size) } : this.queue.shift();
  }

  private run(operation: Operation): void {
    switch (operation.kind) {
      case 'append':
        this.buffer.appendBuffer(operation.bytes as Uint8Array<ArrayBuffer>);
        break;
      case 'remove':
        this.buffer.remove(operation.start, operation.end);
        break;
      case 'type':
        // Synchronous: no updateend follows.
        this.buffer.changeType(operation.mime);
        return;
      case 'offset':
        this.buffer.timestampOffset = operation.seconds;
        return;
    }
    this.running = operation.kind;
  }

  private fail(error: unknown): void {
    if (this.closed) return;
    this.close();
    this.owner.failed(error);
  }
}

function isQuota(error: unknown): boolean {
  return error instanceof Error && error.name === 'QuotaExceededError';
}
