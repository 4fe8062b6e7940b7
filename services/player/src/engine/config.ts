// Where the broker is: /config.json of the gatekeeper that served the page, read once.

export interface Config {
  /** WebSocket URL of the broker. */
  readonly broker: string;
  readonly topicPrefix: string;
  readonly version: string;
}

const BROKER_PORT = 9001;
const loads = new Map<string, Promise<Config>>();

/** Reads the configuration beside the page; every caller shares one request. */
export function loadConfig(base: string = document.baseURI): Promise<Config> {
  const url = new URL('config.json', base).href;
  let load = loads.get(url);
  if (!load) {
    load = fetchConfig(url);
    loads.set(url, load);
    // A failure is not kept: the next caller asks again.
    load.catch(() => loads.delete(url));
  }
  return load;
}

async function fetchConfig(url: string): Promise<Config> {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`);
  return readConfig(await response.json(), new URL(url));
}

/** What config.json says; without a broker in it, the page's own host on the usual port. */
export function readConfig(json: unknown, page: URL): Config {
  const { brokerWebsocket, topicPrefix, version } = (json ?? {}) as Record<string, unknown>;
  const scheme = page.protocol === 'https:' ? 'wss' : 'ws';
  return {
    broker:
      typeof brokerWebsocket === 'string' && brokerWebsocket !== ''
        ? brokerWebsocket
        : `${scheme}://${page.hostname}:${BROKER_PORT}`,
    topicPrefix: typeof topicPrefix === 'string' && topicPrefix !== '' ? topicPrefix : 'video',
    version: typeof version === 'string' ? version : '',
  };
}
