// The yardstick for the whole way: what plain ffmpeg, a broker and MSE can do when each is set up well. ffmpeg's own
// fragmented MP4, one fragment a frame, goes to the broker as it comes; a page of some lines plays it.
//
// The same worker, with a subscriber that decodes in place of a browser, is the yardstick for the way to the broker.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import mqtt from 'mqtt';
import { WebSocket } from 'ws';

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
  const input = ['-probesize', '32', '-analyzeduration', '0', '-rtsp_transport', 'tcp', '-i', camera];
  const output = ['-c', 'copy', '-an', '-movflags', 'empty_moov+default_base_moof+frag_every_frame'];
  const args = ['-nostdin', '-loglevel', 'error', '-fflags', 'nobuffer', '-flags', 'low_delay', ...input, ...output];
  const ffmpeg = spawn('ffmpeg', [...args, '-flush_packets', '1', '-f', 'mp4', 'pipe:1'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exit = once(ffmpeg, 'exit');
  const split = new Split((init, bytes) => client.publish(init ? 'chain/init' : 'chain/media', bytes, { retain: init }));
  ffmpeg.stdout.on('data', (data: Buffer) => split.push(data));

  const bundle = readFileSync(createRequire(import.meta.url).resolve('mqtt/dist/mqtt.min'));
  const script = `(${play.toString()})(${JSON.stringify({ websocket, codec })})`;
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
    socket.send(packet(0x82, Buffer.concat([Buffer.from([0, 1]), field('chain/media'), Buffer.from([0])])));
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

/** Runs in the page. */
function play({ websocket, codec }: { websocket: string; codec: string }): void {
  /** Seconds behind the end of what is buffered. */
  const BEHIND = 0.1;
  const video = document.querySelector('video') as HTMLVideoElement;
  const source = new MediaSource();
  video.src = URL.createObjectURL(source);
  source.addEventListener('sourceopen', () => {
    const buffer = source.addSourceBuffer(`video/mp4; codecs="${codec}"`);
    const waiting: Uint8Array[] = [];
    let placed = false;
    const append = (): void => {
      if (buffer.updating) return;
      const next = waiting.shift();
      if (next) buffer.appendBuffer(next as Uint8Array<ArrayBuffer>);
    };
    buffer.addEventListener('updateend', () => {
      const { buffered } = buffer;
      if (buffered.length > 0) {
        const end = buffered.end(buffered.length - 1);
        const gap = end - video.currentTime;
        if (!placed || gap > 2) {
          placed = true;
          video.currentTime = Math.max(buffered.start(buffered.length - 1), end - BEHIND);
        }
        const error = gap - BEHIND;
        video.playbackRate = Math.abs(error) < 0.03 ? 1 : Math.min(1.5, Math.max(0.8, 1 + error * 0.8));
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
    client.on('connect', () => {
      client.subscribe('chain/init');
      client.subscribe('chain/media');
    });
    client.on('message', (_, payload) => {
      waiting.push(payload);
      append();
    });
  });
}
