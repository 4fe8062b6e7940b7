// A receiver of traces: that of the OpenTelemetry Collector, which deploy/collector builds, and the spans that it got.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';

export interface Span {
  readonly service: string;
  readonly name: string;
  readonly traceId: string;
  readonly spanId: string;
  /** Absent from a root. */
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
}

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string };
}

interface Exported {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: readonly Attribute[] };
    readonly scopeSpans: readonly { readonly spans: readonly Omit<Span, 'service'>[] }[];
  }[];
}

export interface Collector {
  readonly endpoint: string;
  readonly spans: readonly Span[];
  end(): Promise<void>;
}

const BUILD = resolve(import.meta.dirname, '../../../deploy/collector/build.sh');

export async function startCollector(): Promise<Collector> {
  const program = execFileSync(BUILD, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] }).trim();
  const address = `127.0.0.1:${await freePort()}`;
  const child = spawn(program, [address], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = once(child, 'exit');
  const spans: Span[] = [];
  await new Promise<void>((listening, failed) => {
    void exit.then(() => failed(new Error('the collector ended')));
    createInterface(child.stdout).on('line', (line) => {
      if (line.startsWith('listening')) listening();
      else spans.push(...read(JSON.parse(line) as Exported));
    });
  });
  return {
    endpoint: `http://${address}`,
    spans,
    end: async () => {
      child.kill();
      await exit;
    },
  };
}

function read({ resourceSpans }: Exported): Span[] {
  return resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = resource.attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? '';
    return scopeSpans.flatMap(({ spans }) => spans.map((span) => ({ ...span, service })));
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
