// A way for browsers into the cluster: a port of this machine that leads to one of a Service.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createInterface } from 'node:readline';

export interface Door {
  readonly port: number;
  close(): Promise<void>;
}

export interface Service {
  readonly namespace: string;
  readonly name: string;
  readonly address: string;
  readonly port: number;
}

/** Straight to the Service where its network can be reached, else through the API server. Port 0 takes a free one. */
export async function open(service: Service, port: number): Promise<Door> {
  return (await reachable(service)) ? Relay.open(service, port) : Forward.open(service, port);
}

function reachable({ address, port }: Service): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: 2000 });
    const answer = (yes: boolean) => () => {
      socket.destroy();
      resolve(yes);
    };
    socket.on('connect', answer(true)).on('timeout', answer(false)).on('error', answer(false));
  });
}

class Relay implements Door {
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly server: Server) {}

  static async open({ address, port }: Service, local: number): Promise<Relay> {
    const server = createServer({ noDelay: true });
    const relay = new Relay(server);
    server.on('connection', (client) => relay.join(client, connect({ host: address, port, noDelay: true })));
    server.listen(local, '127.0.0.1');
    await once(server, 'listening');
    return relay;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  async close(): Promise<void> {
    this.server.close();
    for (const socket of this.sockets) socket.destroy();
    await once(this.server, 'close');
  }

  /** What ends or breaks on one side does so on the other. */
  private join(client: Socket, service: Socket): void {
    for (const [one, other] of [
      [client, service],
      [service, client],
    ] as const) {
      this.sockets.add(one);
      one.pipe(other);
      one.on('error', () => other.resetAndDestroy());
      one.on('close', () => {
        this.sockets.delete(one);
        other.destroySoon();
      });
    }
  }
}

/** `kubectl port-forward` leads to one pod, and ends with it; another one takes its place. */
class Forward implements Door {
  private closed = false;
  private child: ChildProcess | undefined;

  private constructor(
    private readonly service: Service,
    public port: number,
  ) {}

  static async open(service: Service, port: number): Promise<Forward> {
    const forward = new Forward(service, port);
    await forward.start();
    return forward;
  }

  async close(): Promise<void> {
    this.closed = true;
    if (this.child?.exitCode !== null) return;
    this.child.kill();
    await once(this.child, 'close');
  }

  private async start(): Promise<void> {
    const { namespace, name, port } = this.service;
    const ports = `${this.port || ''}:${port}`;
    const child = spawn('kubectl', ['--namespace', namespace, 'port-forward', `service/${name}`, ports], {
      stdio: ['ignore', 'pipe', 'ignore'],
    });
    this.child = child;
    child.on('close', () => {
      if (!this.closed) void this.start();
    });
    for await (const line of createInterface(child.stdout)) {
      const [, local] = /^Forwarding from 127\.0\.0\.1:(\d+)/.exec(line) ?? [];
      if (!local) continue;
      this.port = Number(local);
      child.stdout.resume();
      return;
    }
  }
}
