// The wall: many cameras on one connection. `/wall?sources=a,b,c` shows those, `/wall` all that are listed.
//
// A tile is an <mqtt-video> with a caption; a click or Enter enlarges it, Escape brings the wall back.
import { loadConfig } from '../engine/config';
import { watchSources } from '../engine/sources';
import type { ListedSource } from '../engine/wire';
import { milliseconds } from '../element/words';
import '../register';
import type { MqttVideoElement } from '../register';
import { byId, shortcuts, showLink, toggleFullscreen } from './dom';
import { gridFor } from './grid';
import { drawIcons } from './icons';

interface Tile {
  readonly name: string;
  readonly root: HTMLElement;
  readonly video: MqttVideoElement;
  readonly zoom: HTMLButtonElement;
}

/** Pixels between tiles and around them; page.css says the same. */
const GAP = 8;

const wall = byId('wall', HTMLElement);
const hint = byId('hint', HTMLElement);
const tally = byId('tally', HTMLElement);
const picker = byId('picker', HTMLDialogElement);
const choices = byId('choices', HTMLFieldSetElement);
const overlayButton = byId('overlay', HTMLButtonElement);

const params = new URLSearchParams(location.search);
let chosen = params
  .get('sources')
  ?.split(',')
  .map((name) => name.trim())
  .filter(Boolean);
let listed: readonly ListedSource[] = [];
let tiles: Tile[] = [];
let overlay = false;

/** Makes the tiles what they should be, and keeps those that play. */
function draw(): void {
  const names = [...new Set(chosen ?? listed.map(({ name }) => name))];
  const kept = new Map(tiles.map((tile) => [tile.name, tile]));
  tiles = names.map((name) => kept.get(name) ?? makeTile(name));
  for (const [name, { root }] of kept) if (!names.includes(name)) root.remove();
  // Only what is out of place is moved: a custom element that leaves the page and comes back starts anew.
  tiles.forEach(({ root }, index) => {
    const there = wall.children[index] ?? null;
    if (there !== root) wall.insertBefore(root, there);
  });
  hint.hidden = tiles.length > 0;
  hint.textContent = chosen ? 'No camera is chosen.' : 'No cameras are listed here yet.';
  layOut();
  count();
}

function makeTile(name: string): Tile {
  const root = document.createElement('article');
  root.className = 'tile';
  root.setAttribute('aria-label', name);
  const video = document.createElement('mqtt-video');
  video.setAttribute('source', name);
  const profile = params.get('profile');
  if (profile) video.setAttribute('profile', profile);
  const token = params.get('token');
  if (token) video.setAttribute('token', token);
  const renderer = params.get('renderer');
  if (renderer) video.setAttribute('renderer', renderer);
  // The tally speaks for all of them.
  video.setAttribute('aria-live', 'off');
  video.toggleAttribute('muted', true);
  video.toggleAttribute('autoplay', true);
  video.overlay = overlay;
  const caption = document.createElement('div');
  caption.className = 'tile-caption';
  const label = part('tile-name', name);
  const state = part('tile-state', '');
  const words = part('', '');
  state.append(words);
  const latency = part('tile-latency', '');
  caption.append(label, state, latency);
  const zoom = document.createElement('button');
  zoom.type = 'button';
  zoom.className = 'tile-zoom';
  zoom.setAttribute('aria-pressed', 'false');
  zoom.setAttribute('aria-label', `Enlarge ${name}`);
  const tile: Tile = { name, root, video, zoom };
  zoom.addEventListener('click', () => enlarge(root.classList.contains('enlarged') ? undefined : tile));
  video.addEventListener('statechange', ({ detail }) => {
    root.dataset['state'] = state.dataset['state'] = detail.state;
    words.textContent = detail.text;
    if (detail.state !== 'playing') latency.textContent = '';
    count();
  });
  video.addEventListener('stats', ({ detail }) => {
    latency.textContent = detail.state === 'playing' ? milliseconds(detail.latencyMs) : '';
  });
  root.append(video, caption, zoom);
  return tile;
}

function part(className: string, text: string): HTMLElement {
  const span = document.createElement('span');
  if (className) span.className = className;
  span.textContent = text;
  return span;
}

function enlarge(tile: Tile | undefined): void {
  for (const other of tiles) {
    const large = other === tile;
    other.root.classList.toggle('enlarged', large);
    other.zoom.setAttribute('aria-pressed', String(large));
  }
  tile?.zoom.focus();
}

/** Goes to the neighbour of the enlarged tile. */
function step(by: number): void {
  const at = tiles.findIndex(({ root }) => root.classList.contains('enlarged'));
  if (at >= 0) enlarge(tiles[(at + by + tiles.length) % tiles.length]);
}

function count(): void {
  const live = tiles.filter(({ video }) => video.state === 'playing').length;
  tally.textContent = tiles.length === 0 ? '' : `${live} of ${tiles.length} live`;
}

function layOut(): void {
  const { columns, width } = gridFor(tiles.length, wall.clientWidth - 2 * GAP, wall.clientHeight - 2 * GAP, GAP);
  wall.style.setProperty('--columns', String(columns));
  wall.style.setProperty('--tile', `${width}px`);
}

function openPicker(): void {
  const shown = new Set(tiles.map(({ name }) => name));
  const names = [...new Set([...listed.map(({ name }) => name), ...shown])];
  const legend = choices.querySelector('legend');
  choices.replaceChildren(
    ...(legend ? [legend] : []),
    ...names.map((name) => {
      const label = document.createElement('label');
      const box = document.createElement('input');
      box.type = 'checkbox';
      box.value = name;
      box.checked = shown.has(name);
      label.append(box, name);
      return label;
    }),
  );
  picker.returnValue = '';
  picker.showModal();
}

function tickAll(on: boolean): void {
  for (const box of choices.querySelectorAll('input')) box.checked = on;
}

function applyPicker(): void {
  if (picker.returnValue !== 'apply') return;
  const names = [...choices.querySelectorAll('input')].filter((box) => box.checked).map((box) => box.value);
  const all = names.length === listed.length && listed.every(({ name }) => names.includes(name));
  chosen = all ? undefined : names;
  params.delete('sources');
  const rest = params.toString();
  const list = all ? '' : `sources=${names.map(encodeURIComponent).join(',')}`;
  const query = [list, rest].filter(Boolean).join('&');
  history.replaceState(null, '', query ? `?${query}` : location.pathname);
  draw();
}

function toggleOverlay(): void {
  overlay = !overlay;
  overlayButton.setAttribute('aria-pressed', String(overlay));
  for (const { video } of tiles) video.overlay = overlay;
}

byId('choose', HTMLButtonElement).addEventListener('click', openPicker);
byId('all', HTMLButtonElement).addEventListener('click', () => tickAll(true));
byId('none', HTMLButtonElement).addEventListener('click', () => tickAll(false));
picker.addEventListener('close', applyPicker);
overlayButton.addEventListener('click', toggleOverlay);
byId('fullscreen', HTMLButtonElement).addEventListener('click', () => toggleFullscreen(wall));
new ResizeObserver(layOut).observe(wall);
shortcuts({
  i: toggleOverlay,
  f: () => toggleFullscreen(wall),
  Escape: () => enlarge(undefined),
  ArrowRight: () => step(1),
  ArrowLeft: () => step(-1),
});

drawIcons();
if (chosen) draw();
loadConfig().then(
  ({ broker, topicPrefix }) => {
    watchSources(broker, topicPrefix, {
      sources: (all) => {
        listed = all;
        draw();
      },
      connection: (up, error) => showLink(up, error?.advice.title),
    });
  },
  () => {
    showLink(false, 'The service does not answer');
    hint.textContent = 'The list of cameras could not be read. Reload the page to try again.';
  },
);
