// The status page: what runs where and how well, from /status.json, for those without a monitoring system.
//
// It asks while somebody looks, and keeps showing the last answer when there is none, with how old it is.
import { element, byId, setText, showLink } from './dom';
import { drawIcons, setIcon } from './icons';
import { showCards } from './status/cards';
import { poll } from './status/poll';
import type { Failure, Status, Stream, Worker } from './status/read';
import { table } from './status/table';
import {
  errorWords,
  levelOfStream,
  levelOfWorker,
  picture,
  span,
  splitName,
  STREAM_WORDS,
  verdict,
  WORKER_WORDS,
  worstFirst,
  type Level,
} from './status/words';

const verdictBox = byId('verdict', HTMLElement);
const figures = byId('figures', HTMLElement);

let last: Status | undefined;
/** When the last answer came, by this page's clock. */
let lastAt = 0;

const showStreams = table<Stream>(byId('streams', HTMLElement), 'streams-title', {
  key: ({ source, profile, worker }) => JSON.stringify([source, profile, worker]),
  empty: 'No camera is running. One starts as soon as somebody watches it.',
  columns: [
    { label: 'Camera', text: ({ source, profile }) => `${source} ${profile}`, draw: drawCamera },
    {
      label: 'State',
      text: ({ state, lastError }) => `${STREAM_WORDS[state]} ${lastError ?? ''}`,
      draw: (cell, { state, lastError }) => {
        cell.append(pill(levelOfStream(state), STREAM_WORDS[state]));
        if (lastError) cell.append(element('span', 'why', errorWords(lastError)));
      },
    },
    { label: 'Picture', text: picture },
    { label: 'Codec', text: ({ codec }) => codec || '–' },
    { label: 'Profile', text: ({ profile }) => profile },
    { label: 'Transcoder', text: ({ worker }) => worker },
    { label: 'Viewers', numeric: true, text: ({ viewers }) => String(viewers) },
    { label: 'Restarts', numeric: true, text: ({ restarts }) => String(restarts) },
  ],
});

const showFailures = table<Failure>(byId('failures', HTMLElement), 'failures-title', {
  key: ({ source, profile, worker }) => JSON.stringify([source, profile, worker]),
  empty: '',
  columns: [
    { label: 'Camera', text: ({ source, profile }) => `${source} ${profile}`, draw: drawCamera },
    {
      label: 'Why',
      text: ({ error }) => error,
      draw: (cell, { error }) => cell.append(pill('bad', errorWords(error))),
    },
    { label: 'Profile', text: ({ profile }) => profile },
    { label: 'Transcoder', text: ({ worker }) => worker },
    { label: 'When', text: ({ time }) => (last ? `${span((last.time - time) / 1000)} ago` : '') },
  ],
});

const showWorkers = table<Worker>(byId('workers', HTMLElement), 'workers-title', {
  key: ({ name }) => name,
  empty: 'The gatekeeper knows no transcoder. Give it one with --transcoder or --discover-service.',
  columns: [
    { label: 'Transcoder', text: ({ name }) => name },
    {
      label: 'State',
      text: ({ state }) => state,
      draw: (cell, { state }) => cell.append(pill(levelOfWorker(state), WORKER_WORDS[state])),
    },
    {
      label: 'Slots in use',
      text: ({ state, slotsUsed, slotsTotal }) => (state === 'lost' ? '–' : `${slotsUsed} of ${slotsTotal}`),
      draw: drawSlots,
    },
    { label: 'Streams', numeric: true, text: ({ streams }) => String(streams) },
    { label: 'Viewers', numeric: true, text: ({ viewers }) => String(viewers) },
    { label: 'CPU cores', numeric: true, text: ({ state, cpuCores }) => (state === 'lost' ? '–' : cpuCores.toFixed(2)) },
  ],
});

function drawCamera(cell: HTMLElement, { source, profile }: Stream | Failure): void {
  const { name, digest } = splitName(source);
  if (digest !== undefined) {
    // Nobody can ask for it by name.
    cell.append(name, element('span', 'digest', digest.slice(0, 8)));
    return;
  }
  const link = element('a', '', name);
  const wanted = profile === 'source' ? '' : `&profile=${encodeURIComponent(profile)}`;
  link.href = `./?source=${encodeURIComponent(name)}${wanted}&autoplay`;
  cell.append(link);
}

function drawSlots(cell: HTMLElement, { state, slotsUsed, slotsTotal }: Worker): void {
  if (state === 'lost') {
    cell.append('–');
    return;
  }
  const gauge = element('span', 'gauge');
  gauge.setAttribute('aria-hidden', 'true');
  const part = element('span');
  part.style.inlineSize = `${slotsTotal > 0 ? Math.min(100, (slotsUsed / slotsTotal) * 100) : 0}%`;
  gauge.append(part);
  cell.append(gauge, `${slotsUsed} of ${slotsTotal}`);
}

function pill(level: Level, text: string): HTMLElement {
  const made = element('span', 'pill', text);
  made.dataset['level'] = level;
  return made;
}

function showVerdict(level: Level, title: string, detail: string): void {
  if (verdictBox.dataset['level'] !== level) {
    verdictBox.dataset['level'] = level;
    setIcon(verdictBox, level);
  }
  setText(byId('verdict-title', HTMLElement), title);
  setText(byId('verdict-detail', HTMLElement), detail);
}

function show(status: Status): void {
  last = status;
  lastAt = performance.now();
  showLink(true, undefined, 'Live');
  figures.hidden = false;
  figures.classList.remove('old');
  const { level, title, detail } = verdict(status);
  showVerdict(level, title, detail);
  showCards(byId('cards', HTMLElement), status);
  byId('shared', HTMLElement).hidden = !status.several;
  showStreams(worstFirst(status.streams));
  byId('failures-sheet', HTMLElement).hidden = status.failures.length === 0;
  showFailures(status.failures);
  showWorkers(status.workers);
  const role = status.several ? (status.leader ? ' It leads.' : ' Another one leads.') : '';
  const words = `mqtt-video ${status.version}. This gatekeeper has been up for ${span(status.uptimeSeconds)}.${role}`;
  setText(byId('gatekeeper', HTMLElement), words);
}

function showSilence(): void {
  showLink(false, 'No answer');
  figures.classList.add('old');
  const age = last ? ` What stands below is ${span((performance.now() - lastAt) / 1000)} old.` : '';
  showVerdict('bad', 'The gatekeeper does not answer', `The page asks again every two seconds.${age}`);
}

drawIcons();
poll('./status.json', { status: show, silence: showSilence });
