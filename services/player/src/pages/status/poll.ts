// Asks the gatekeeper again and again, while somebody looks.
import { readStatus, type Status } from './read';

/** Between an answer and the next question, milliseconds. */
const PAUSE_MS = 2000;
/** A gatekeeper that takes longer does not answer, milliseconds. */
const ANSWER_MS = 5000;

export interface Listener {
  readonly status: (status: Status) => void;
  /** Nobody answered, or not with a status. */
  readonly silence: () => void;
}

/** Begins; a hidden page asks nothing, and asks at once when it is seen again. */
export function poll(url: string, listener: Listener): void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let asking: AbortController | undefined;

  const ask = async (): Promise<void> => {
    clearTimeout(timer);
    if (document.hidden || asking) return;
    const controller = (asking = new AbortController());
    const status = await fetchStatus(url, controller.signal);
    // Whoever gave it up asks anew.
    if (controller.signal.aborted) return;
    asking = undefined;
    if (status) listener.status(status);
    else listener.silence();
    timer = setTimeout(() => void ask(), PAUSE_MS);
  };

  document.addEventListener('visibilitychange', () => {
    clearTimeout(timer);
    if (document.hidden) {
      asking?.abort();
      asking = undefined;
    } else void ask();
  });
  void ask();
}

async function fetchStatus(url: string, signal: AbortSignal): Promise<Status | undefined> {
  try {
    const response = await fetch(url, {
      cache: 'no-store',
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
    });
    return response.ok ? readStatus(await response.json()) : undefined;
  } catch {
    return undefined;
  }
}
