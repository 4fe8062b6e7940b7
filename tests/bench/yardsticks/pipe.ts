// A broker without the WebSocket listener of mosquitto 2.0, which moves 4 KB of a message a turn: its TCP listener, by a pipe.
import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { WebSocketServer } from 'ws';

export interface Pipe {
  readonly url: string;
  end(): void;
}

/** @param broker `mqtt://HOST:PORT` */
export async function startPipe(broker: string): Promise<Pipe> {
  const { hostname, port } = new URL(broker);
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, handleProtocols: () => 'mqtt', perMessageDeflate: false });
  await once(server, 'listening');
  server.on('connection', (socket) => {
    const wire = connect({ host: hostname, port: Number(port), noDelay: true });
    wire.on('data', (data) => socket.send(data));
    wire.on('close', () => socket.close());
    wire.on('error', () => socket.close());
    socket.on('message', (data: Buffer) => wire.write(data));
    socket.on('close', () => wire.destroy());
    socket.on('error', () => wire.destroy());
  });
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`,
    end: () => {
      for (const socket of server.clients) socket.terminate();
      server.close();
    },
  };
}
