// The list of cameras: retained at `<prefix>/sources`, kept up to date for as long as somebody looks.
import { acquire } from './pool';
import type { PlayerError } from './errors';
import { readSources, type ListedSource } from './wire';

export interface SourcesListener {
  sources(list: readonly ListedSource[]): void;
  connection(up: boolean, error?: PlayerError): void;
}

/** Watches until the returned function is called; holds the connection as long. */
export function watchSources(broker: string, prefix: string, listener: SourcesListener): () => void {
  const lease = acquire(broker);
  const { connection } = lease;
  const undo = [
    connection.subscribe([
      { topic: `${prefix}/sources`, qos: 1, receive: ({ payload }) => listener.sources(readSources(payload)) },
    ]),
    connection.events.on('up', () => listener.connection(true)),
    connection.events.on('down', (error) => listener.connection(false, error)),
  ];
  const stop = (): void => {
    for (const one of undo) one();
    lease.release();
  };
  try {
    if (connection.up) listener.connection(true);
  } catch (error) {
    stop();
    throw error;
  }
  return stop;
}
