// The player page: pick a camera from the list or type an address, play, stop.
//
// `/?source=NAME&autoplay` plays at once. The address bar follows what is picked, so that a link or a reload brings it back.
import { loadConfig } from '../engine/config';
import { watchSources } from '../engine/sources';
import type { ListedSource } from '../engine/wire';
import '../register';
import { MqttVideoElement } from '../register';
import { byId, shortcuts, showLink, toggleFullscreen } from './dom';
import { drawIcons, icon, setIcon } from './icons';

const MANY = 8;

const player = byId('player', MqttVideoElement);
const playButton = byId('play', HTMLButtonElement);
const muteButton = byId('mute', HTMLButtonElement);
const overlayButton = byId('overlay', HTMLButtonElement);
const profileSelect = byId('profile', HTMLSelectElement);
const stateText = byId('state', HTMLElement);
const list = byId('sources', HTMLUListElement);
const hint = byId('sources-hint', HTMLElement);
const filter = byId('filter', HTMLInputElement);
const urlInput = byId('url', HTMLInputElement);
const empty = byId('empty', HTMLElement);
const help = byId('shortcuts', HTMLDialogElement);

const params = new URLSearchParams(location.search);
let sources: readonly ListedSource[] = [];

function begin(): void {
  player.muted = params.get('muted') !== '0';
  const token = params.get('token');
  if (token) player.setAttribute('token', token);
  const source = params.get('source');
  const url = params.get('url');
  const renderer = params.get('renderer');
  if (renderer) player.setAttribute('renderer', renderer);
  const profile = params.get('profile');
  if (profile) player.setAttribute('profile', profile);
  if (source) choose({ source }, params.has('autoplay'));
  else if (url) {
    urlInput.value = url;
    choose({ url }, params.has('autoplay'));
  }
  drawMute();
}

function choose(target: { source: string } | { url: string }, play: boolean): void {
  const [name, value] = 'source' in target ? ['source', target.source] : ['url', target.url];
  const other = name === 'source' ? 'url' : 'source';
  if (player.getAttribute(name) !== value) {
    player.removeAttribute(other);
    player.setAttribute(name, value);
  }
  params.delete(other);
  params.set(name, value);
  remember();
  document.title = `${value} · mqtt-video`;
  byId('title', HTMLElement).textContent = `Live camera ${value}`;
  byId('invitation', HTMLElement).textContent = `Press Play to watch ${value} live.`;
  playButton.disabled = false;
  drawSources();
  drawProfiles();
  if (play) player.play();
}

function remember(): void {
  const query = params.toString().replace(/autoplay=(?=&|$)/, 'autoplay');
  history.replaceState(null, '', query ? `?${query}` : location.pathname);
}

function drawSources(): void {
  const current = player.getAttribute('source');
  const wanted = filter.value.trim().toLowerCase();
  byId('filter-field', HTMLElement).hidden = sources.length <= MANY;
  const shown = sources.filter(({ name }) => name.toLowerCase().includes(wanted));
  const focused = document.activeElement?.closest('li')?.dataset['name'];
  list.replaceChildren(
    ...shown.map(({ name }) => {
      const item = document.createElement('li');
      item.dataset['name'] = name;
      const button = document.createElement('button');
      button.type = 'button';
      const label = document.createElement('span');
      label.textContent = name;
      button.append(icon('camera'), label);
      if (name === current) button.setAttribute('aria-current', 'true');
      button.addEventListener('click', () => {
        player.removeAttribute('profile');
        params.delete('profile');
        choose({ source: name }, true);
      });
      item.append(button);
      return item;
    }),
  );
  if (focused) list.querySelector<HTMLElement>(`li[data-name="${CSS.escape(focused)}"] button`)?.focus();
  if (shown.length > 0) hint.textContent = '';
  else hint.textContent = sources.length > 0 ? 'No camera of that name.' : 'No cameras are listed here yet.';
}

function drawProfiles(): void {
  const name = player.getAttribute('source');
  const profiles = sources.find((source) => source.name === name)?.profiles ?? [];
  const current = player.getAttribute('profile') ?? player.stats?.profile ?? '';
  const all = current && !profiles.includes(current) ? [current, ...profiles] : profiles;
  byId('profile-field', HTMLElement).hidden = all.length < 2;
  profileSelect.replaceChildren(...all.map((profile) => new Option(profile, profile, false, profile === current)));
}

function drawMute(): void {
  const { muted } = player;
  muteButton.setAttribute('aria-pressed', String(muted));
  setIcon(muteButton, muted ? 'muted' : 'sound');
}

function toggle(): void {
  if (playButton.disabled) return;
  if (player.state === 'idle' || player.state === 'failed') player.play();
  else player.stop();
}

function toggleMute(): void {
  player.muted = !player.muted;
  drawMute();
}

function toggleOverlay(): void {
  player.overlay = !player.overlay;
  overlayButton.setAttribute('aria-pressed', String(player.overlay));
}

player.addEventListener('statechange', ({ detail: { state, text } }) => {
  const idle = state === 'idle' || state === 'failed';
  stateText.textContent = text;
  stateText.dataset['state'] = state;
  empty.hidden = state !== 'idle';
  setIcon(playButton, idle ? 'play' : 'stop');
  const label = playButton.querySelector('span');
  if (label) label.textContent = idle ? 'Play' : 'Stop';
});
player.addEventListener('firstframe', drawProfiles);
player.addEventListener('mutedchange', drawMute);
playButton.addEventListener('click', toggle);
muteButton.addEventListener('click', toggleMute);
overlayButton.addEventListener('click', toggleOverlay);
byId('fullscreen', HTMLButtonElement).addEventListener('click', () => toggleFullscreen(byId('stage', HTMLElement)));
byId('help', HTMLButtonElement).addEventListener('click', () => help.showModal());
filter.addEventListener('input', drawSources);
profileSelect.addEventListener('change', () => {
  player.setAttribute('profile', profileSelect.value);
  params.set('profile', profileSelect.value);
  remember();
});
byId('by-url', HTMLFormElement).addEventListener('submit', (event) => {
  event.preventDefault();
  const url = urlInput.value.trim();
  if (!url) return;
  player.removeAttribute('profile');
  params.delete('profile');
  choose({ url }, true);
});
shortcuts({
  k: toggle,
  m: toggleMute,
  i: toggleOverlay,
  f: () => toggleFullscreen(byId('stage', HTMLElement)),
  '?': () => help.showModal(),
});

drawIcons();
begin();
loadConfig().then(
  ({ broker, topicPrefix }) => {
    watchSources(broker, topicPrefix, {
      sources: (all) => {
        sources = all;
        drawSources();
        drawProfiles();
      },
      connection: (up, error) => showLink(up, error?.advice.title),
    });
  },
  () => {
    showLink(false, 'The service does not answer');
    hint.textContent = 'The list of cameras could not be read. Reload the page to try again.';
  },
);
