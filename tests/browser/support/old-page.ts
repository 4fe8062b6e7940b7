// Serves the page as the first one was, from tests/browser/original, on a free port.
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

const FILES = new Map([
  ['/', { url: new URL('../original/index.html', import.meta.url), type: 'text/html' }],
  ['/page.js', { url: new URL('../original/page.js', import.meta.url), type: 'text/javascript' }],
  ['/paho-mqtt.js', { url: new URL('../node_modules/paho-mqtt/paho-mqtt.js', import.meta.url), type: 'text/javascript' }],
]);

export class OldPage {
  private constructor(private readonly server: Server) {}

  static async serve(): Promise<OldPage> {
    const server = createServer((request, response) => {
      const file = FILES.get(new URL(request.url ?? '/', 'http://page').pathname);
      if (!file) {
        response.writeHead(404).end();
        return;
      }
      void readFile(file.url).then((bytes) => response.writeHead(200, { 'content-type': file.type }).end(bytes));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new OldPage(server);
  }

  /** Address of the page for one camera; `broker` is the WebSocket URL. */
  address(broker: string, url: string): string {
    const { port } = this.server.address() as AddressInfo;
    const query = new URLSearchParams({ broker: new URL(broker).host, url });
    return `http://127.0.0.1:${port}/?${query}`;
  }

  close(): void {
    this.server.closeAllConnections();
    this.server.close();
  }
}
