// Connections by broker URL, counted: the first who asks opens one, and some time after the last has let go it closes.
import { Connection } from './connection';

export interface Lease {
  readonly connection: Connection;
  /** Lets go. Idempotent. */
  release(): void;
}

interface Entry {
  readonly connection: Connection;
  users: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/** Long enough to go from one camera to the next on the same connection. */
const LINGER_MS = 1000;
const entries = new Map<string, Entry>();

export function acquire(url: string): Lease {
  let entry = entries.get(url);
  if (!entry) entries.set(url, (entry = { connection: new Connection(url), users: 0, timer: undefined }));
  const held = entry;
  held.users += 1;
  clearTimeout(held.timer);
  let released = false;
  return {
    connection: held.connection,
    release: () => {
      if (released) return;
      released = true;
      held.users -= 1;
      if (held.users > 0) return;
      held.timer = setTimeout(() => {
        entries.delete(url);
        held.connection.close();
      }, LINGER_MS);
    },
  };
}
