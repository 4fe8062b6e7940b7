// A connection with a broker that says no more than it takes: the MQTT client is the real one, over TCP.
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Connection } from '../src/engine/connection';

const CONNACK = Buffer.from([0x20, 3, 0, 0, 0]);
const report = vi.fn();
let server: Server;
let sockets: Socket[];
let connection: Connection;

beforeEach(async () => {
  report.mockReset();
  // Of a browser's window, which a connection expects.
  vi.stubGlobal('addEventListener', vi.fn());
  vi.stubGlobal('removeEventListener', vi.fn());
  vi.stubGlobal('reportError', report);
  sockets = [];
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on('data', (data) => {
      if (data[0] === 0x10) socket.write(CONNACK);
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  connection = new Connection(`mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`);
});

afterEach(() => {
  connection.close();
  for (const socket of sockets) socket.destroy();
  server.close();
  vi.unstubAllGlobals();
});

function publish(topic: string, payload: string): void {
  const body = Buffer.concat([Buffer.from([0, topic.length]), Buffer.from(topic), Buffer.from([0]), Buffer.from(payload)]);
  sockets[0]?.write(Buffer.concat([Buffer.from([0x30, body.length]), body]));
}

test('a receiver that throws keeps nobody from hearing, and the connection stays', async () => {
  const complaint = new Error('a handler of the page');
  const heard: string[] = [];
  connection.subscribe([
    {
      topic: 'list',
      qos: 0,
      receive: () => {
        throw complaint;
      },
    },
    { topic: 'list', qos: 0, receive: ({ payload }) => heard.push(new TextDecoder().decode(payload)) },
  ]);
  await new Promise<void>((resolve) => connection.events.on('up', () => resolve()));
  publish('list', 'one');
  publish('list', 'two');
  await vi.waitUntil(() => heard.length === 2);
  expect(heard).toEqual(['one', 'two']);
  expect(report.mock.calls).toEqual([[complaint], [complaint]]);
  expect(connection.up).toBe(true);
  expect(sockets).toHaveLength(1);
});

test('a listener that throws keeps nobody from hearing', async () => {
  const complaint = new Error('a listener of the page');
  connection.events.on('up', () => {
    throw complaint;
  });
  await new Promise<void>((resolve) => connection.events.on('up', () => resolve()));
  expect(report.mock.calls).toEqual([[complaint]]);
  expect(connection.up).toBe(true);
});
