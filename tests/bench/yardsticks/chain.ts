// The yardstick for the whole way: what plain ffmpeg, a broker and MSE can do when each is set up well. ffmpeg's own
// fragmented MP4, one fragment a frame, goes to the broker as it comes; a page of some lines plays it.
//
// A fragment is cut into messages that mosquitto 2.0 sends at once, and an append takes a byte stream: whoever begins with a
// first part needs to know no more. The topics say which part is one: chain/init (retained), chain/first, chain/more.
//
// The same worker, with a subscriber that decodes in place of a browser, is the yardstick for the way to the broker.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AddressInfo, Socket } from 'node:net';
import mqtt from 'mqtt';
import { WebSocket } from 'ws';

/** Of a message: what is above 4,096 with its topic goes out in several turns of the broker's loop. */
const MOST_BYTES = 3900;
const PAGE = `<!doctype html><video muted playsinline style="width: 640px"></video>
<script src="mqtt.js"></script><script type="module" src="page.js"></script>`;

export interface Chain {
  /** Where the page is, which plays at once. */
  readonly url: string;
  /** So many viewers that throw away what they get, by WebSocket; returns what ends them. */
  subscribe(viewers: number): Promise<() => void>;
  end(): Promise<void>;
}

/** @param codec RFC 6381; @param websocket of the broker, for the page */
export async function startChain(camera: string, broker: string, websocket: string, codec: string): Promise<Chain> {
  const client = await mqtt.connectAsync(broker);
  // Else the last part of a fragment waits until the others are acknowledged.
  (client.stream as unknown as Socket).setNoDelay(true);
  const input = ['-probesize', '32', '-analyzeduration', '0', '-rtsp_transport', 'tcp', '-i', camera];
  const output = ['-c', 'copy', '-an', '-movflags', 'empty_moov+default_base_moof+frag_every_frame'];
  const args = ['-nostdin', '-loglevel', 'error', '-fflags', 'nobuffer', '-flags', 'low_delay', ...input, ...output];
  const ffmpeg = spawn('ffmpeg', [...args, '-flush_packets', '1', '-f', 'mp4', 'pipe:1'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(ffmpeg, 'exit');
  const split = new Split((init, bytes) => {
    if (init) client.publish('chain/init', bytes, { retain: true });
    else for (let at = 0; at < bytes.length; at += MOST_BYTES) {
      client.publish(at === 0 ? 'chain/first' : 'chain/more', bytes.subarray(at, at + MOST_BYTES));
    }
  });
  ffmpeg.stdout.on('data', (data: Buffer) => split.push(data));

  const bundle = readFileSync(createRequire(import.meta.url).resolve('mqtt/dist/mqtt.min'));
  const script = `(${play.toString()})(${JSON.stringify({ websocket, codec })}, ${whole.toString()})`;
  const server = createServer((request, response) => {
    if (request.url === '/mqtt.js') response.setHeader('content-type', 'text/javascript').end(bundle);
    else if (request.url === '/page.js') response.setHeader('content-type', 'text/javascript').end(script);
    else response.setHeader('content-type', 'text/html').end(PAGE);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    subscribe: (viewers) => subscribe(websocket, viewers),
    end: async () => {
      ffmpeg.kill('SIGKILL');
      await exit;
      await client.publishAsync('chain/init', '', { retain: true });
      await client.endAsync();
      server.close();
    },
  };
}

/** Speaks as much of MQTT 3.1.1 as it takes to subscribe, so that the machine is left to the broker. */
async function subscribe(websocket: string, viewers: number): Promise<() => void> {
  const field = (text: string): Buffer => Buffer.concat([Buffer.from([0, text.length]), Buffer.from(text)]);
  const packet = (type: number, body: Buffer): Buffer => Buffer.concat([Buffer.from([type, body.length]), body]);
  const sockets: WebSocket[] = [];
  for (let viewer = 0; viewer < viewers; viewer += 1) {
    const socket = new WebSocket(websocket, 'mqtt', { perMessageDeflate: false, skipUTF8Validation: true });
    sockets.push(socket);
    await once(socket, 'open');
    const header = Buffer.concat([field('MQTT'), Buffer.from([4, 2, 0, 0])]);
    socket.send(packet(0x10, Buffer.concat([header, field(`chain-${viewer}`)])));
    socket.send(packet(0x82, Buffer.concat([Buffer.from([0, 1]), field('chain/#'), Buffer.from([0])])));
  }
  return () => sockets.forEach((socket) => socket.terminate());
}

/** Cuts ffmpeg's output into its init segment and its fragments. */
class Split {
  private data: Buffer = Buffer.alloc(0);
  private at = 0;

  constructor(private readonly give: (init: boolean, bytes: Buffer) => void) {}

  push(data: Buffer): void {
    this.data = Buffer.concat([this.data, data]);
    while (this.at + 8 <= this.data.length) {
      const end = this.at + this.data.readUInt32BE(this.at);
      if (end > this.data.length) return;
      const type = this.data.toString('latin1', this.at + 4, this.at + 8);
      this.at = end;
      if (type !== 'moov' && type !== 'mdat') continue;
      this.give(type === 'moov', this.data.subarray(0, end));
      this.data = this.data.subarray(end);
      this.at = 0;
    }
  }
}

/** Gives what may be appended of what comes: from an init segment on, and from the first part of a fragment on. */
export function whole(give: (bytes: Uint8Array) => void): (topic: string, payload: Uint8Array) => void {
  let begun = false;
  return (topic, payload) => {
    begun ||= topic === 'chain/first';
    if (begun || topic === 'chain/init') give(payload);
  };
}

/** Runs in the page. */
function play({ websocket, codec }: { websocket: string; codec: string }, filter: typeof whole): void {
  /**
   * Seconds of picture that are left when the next one begins to come: Chromium asks for a picture two refreshes of the
   * display before it is due, and holds its clock when it is not there.
   */
  const MARGIN = 0.04;
  const video = document.querySelector('video') as HTMLVideoElement;
  const source = new MediaSource();
  video.src = URL.createObjectURL(source);
  source.addEventListener('sourceopen', () => {
    const buffer = source.addSourceBuffer(`video/mp4; codecs="${codec}"`);
    const waiting: Uint8Array[] = [];
    /** All that waits at once: an append takes its turn with the page's other work. */
    const append = (): void => {
      if (buffer.updating || waiting.length === 0) return;
      const bytes = new Uint8Array(waiting.reduce((sum, { length }) => sum + length, 0));
      let at = 0;
      for (const part of waiting.splice(0)) {
        bytes.set(part, at);
        at += part.length;
      }
      buffer.appendBuffer(bytes);
    };
    const margin = (): number | undefined => {
      const { buffered } = buffer;
      return buffered.length === 0 ? undefined : buffered.end(buffered.length - 1) - video.currentTime;
    };
    let placed = false;
    let mean = MARGIN;
    const steer = (): void => {
      mean += ((margin() ?? mean) - mean) / 15;
      const error = mean - MARGIN;
      video.playbackRate = Math.abs(error) < 0.005 ? 1 : 1 + Math.min(0.1, Math.max(-0.1, error));
    };
    buffer.addEventListener('updateend', () => {
      const behind = margin();
      if (behind !== undefined && (!placed || behind > 1)) {
        placed = true;
        mean = MARGIN;
        video.currentTime = Math.max(buffer.buffered.start(buffer.buffered.length - 1), video.currentTime + behind - MARGIN);
      }
      if (video.paused) void video.play().catch(() => undefined);
      append();
    });
    interface Client {
      on(event: string, listener: (topic: string, payload: Uint8Array) => void): void;
      subscribe(topic: string): void;
    }
    const { mqtt } = globalThis as unknown as { mqtt: { connect(url: string): Client } };
    const client = mqtt.connect(websocket);
    const take = filter((bytes) => waiting.push(bytes));
    client.on('connect', () => client.subscribe('chain/#'));
    client.on('message', (topic, payload) => {
      if (topic === 'chain/first') steer();
      take(topic, payload);
      append();
    });
  });
}
