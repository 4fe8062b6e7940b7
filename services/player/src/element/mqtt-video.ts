// <mqtt-video source="lobby" profile="source" muted autoplay overlay>: the engine as an element.
//
// A thin skin: attributes in, custom events out, the state in words over the picture, the figures on request. Everything
// that decides is in the engine. Importing this file defines nothing; register.ts does.
import { loadConfig, type Config } from '../engine/config';
import { PlayerError } from '../engine/errors';
import { Player } from '../engine/player';
import { readRenderer } from '../engine/renderer';
import type { PlayerState } from '../engine/state';
import type { PlayerStats } from '../engine/stats';
import type { Target } from '../engine/wire';
import { styleSheet } from './style';
import { figures, stateWords } from './words';

export interface StateDetail {
  readonly state: PlayerState;
  /** The state in words. */
  readonly text: string;
  readonly error: PlayerError | undefined;
}

/** Names and details of the events that the element sends; all bubble. */
export interface MqttVideoEvents {
  statechange: CustomEvent<StateDetail>;
  playererror: CustomEvent<PlayerError>;
  stats: CustomEvent<PlayerStats>;
  firstframe: CustomEvent<{ readonly afterMs: number }>;
  stall: CustomEvent<undefined>;
  generation: CustomEvent<{ readonly generation: number }>;
  mutedchange: CustomEvent<{ readonly muted: boolean }>;
}

/** What makes another player necessary when it changes. */
const IDENTITY = ['source', 'url', 'profile', 'broker', 'topic-prefix', 'token', 'renderer'];
let sheet: CSSStyleSheet | undefined;

export class MqttVideoElement extends HTMLElement {
  static readonly observedAttributes = [...IDENTITY, 'muted', 'overlay'];

  readonly video = document.createElement('video');
  private readonly still = document.createElement('canvas');
  private readonly message = document.createElement('div');
  /** What a screen reader says; a host with aria-live="off" keeps it quiet. */
  private readonly announcer = document.createElement('p');
  private readonly overlayList = document.createElement('dl');
  private player: Player | undefined;
  /** What failed before there was a player. */
  private early: PlayerError | undefined;
  private told: StateDetail | undefined;
  private wanted = false;
  private restartQueued = false;
  private readonly onHide = (): void => this.player?.close();
  private readonly onShow = (event: PageTransitionEvent): void => {
    // Back from the browser's cache of pages: the connection did not survive.
    if (event.persisted && this.wanted) this.restart();
  };

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    sheet ??= styleSheet();
    root.adoptedStyleSheets = [sheet];
    this.video.part.add('video');
    this.video.disablePictureInPicture = false;
    this.still.hidden = true;
    this.message.className = 'message';
    this.message.part.add('message');
    this.announcer.className = 'announcer';
    this.announcer.setAttribute('role', 'status');
    this.message.hidden = true;
    this.overlayList.className = 'overlay';
    this.overlayList.part.add('overlay');
    this.overlayList.hidden = true;
    root.append(this.video, this.still, this.message, this.overlayList, this.announcer);
  }

  get state(): PlayerState {
    return this.early ? 'failed' : (this.player?.state ?? 'idle');
  }

  get error(): PlayerError | undefined {
    return this.early ?? this.player?.error;
  }

  /** Figures of this moment, as a plain object; undefined before play(). */
  get stats(): PlayerStats | undefined {
    return this.player?.stats;
  }

  get muted(): boolean {
    return this.player?.muted ?? this.hasAttribute('muted');
  }

  set muted(muted: boolean) {
    this.toggleAttribute('muted', muted);
  }

  get overlay(): boolean {
    return this.hasAttribute('overlay');
  }

  set overlay(shown: boolean) {
    this.toggleAttribute('overlay', shown);
  }

  connectedCallback(): void {
    this.announcer.setAttribute('aria-live', this.getAttribute('aria-live') ?? 'polite');
    addEventListener('pagehide', this.onHide);
    addEventListener('pageshow', this.onShow);
    if (this.hasAttribute('autoplay') && this.target) this.play();
  }

  disconnectedCallback(): void {
    removeEventListener('pagehide', this.onHide);
    removeEventListener('pageshow', this.onShow);
    this.stop();
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after) return;
    if (name === 'muted') {
      if (this.player) this.player.muted = after !== null;
      else this.video.muted = after !== null;
    } else if (name === 'overlay') {
      this.drawOverlay();
    } else if (this.wanted && !this.restartQueued) {
      // Several attributes that change together are one restart.
      this.restartQueued = true;
      queueMicrotask(() => {
        this.restartQueued = false;
        if (this.wanted) this.restart();
      });
    }
  }

  /** Plays what the attributes name, until stop(). */
  play(): void {
    this.wanted = true;
    if (this.player && this.player.state !== 'idle') this.player.play();
    else this.restart();
  }

  /** Stops, and tells the service. */
  stop(): void {
    this.wanted = false;
    this.dismiss();
    this.tell();
  }

  private get target(): Target | undefined {
    const source = this.getAttribute('source');
    const url = this.getAttribute('url');
    if (source) return { source };
    return url ? { url } : undefined;
  }

  private restart(): void {
    this.dismiss();
    const { target } = this;
    if (!target) return;
    const broker = this.getAttribute('broker');
    if (broker) {
      this.begin(target, { broker, topicPrefix: this.getAttribute('topic-prefix') ?? 'video', version: '' });
      return;
    }
    loadConfig().then(
      (config) => {
        if (this.wanted && !this.player && this.target) this.begin(this.target, config);
      },
      (error: unknown) => {
        if (!this.wanted) return;
        this.early = new PlayerError('no_service', error instanceof Error ? error.message : '');
        this.tell();
      },
    );
  }

  private begin(target: Target, { broker, topicPrefix }: Config): void {
    const player = new Player(this.video, {
      broker,
      topicPrefix: this.getAttribute('topic-prefix') ?? topicPrefix,
      target,
      profile: this.getAttribute('profile') ?? undefined,
      token: this.getAttribute('token') ?? undefined,
      muted: this.hasAttribute('muted'),
      renderer: readRenderer(this.getAttribute('renderer')),
    });
    this.player = player;
    player.events.on('state', () => this.tell());
    player.events.on('error', (error) => {
      this.tell();
      this.send('playererror', error);
    });
    player.events.on('stats', (stats) => {
      this.drawOverlay();
      this.send('stats', stats);
    });
    player.events.on('firstframe', (afterMs) => {
      this.still.hidden = true;
      this.send('firstframe', { afterMs });
    });
    player.events.on('stall', () => this.send('stall', undefined));
    player.events.on('generation', (generation) => this.send('generation', { generation }));
    player.events.on('muted', (muted) => {
      this.toggleAttribute('muted', muted);
      this.send('mutedchange', { muted });
    });
    player.events.on('swap', () => this.keepPicture());
    player.play();
  }

  private dismiss(): void {
    this.early = undefined;
    this.player?.close();
    this.player = undefined;
    this.still.hidden = true;
    this.drawOverlay();
  }

  /** Holds the last frame while the video element changes its source. */
  private keepPicture(): void {
    const { videoWidth, videoHeight } = this.video;
    if (!videoWidth) return;
    this.still.width = videoWidth;
    this.still.height = videoHeight;
    this.still.getContext('2d')?.drawImage(this.video, 0, 0);
    this.still.hidden = false;
  }

  private tell(): void {
    const { state, error } = this;
    const text = stateWords(state, error);
    if (state === this.told?.state && text === this.told.text && error?.code === this.told.error?.code) return;
    this.told = { state, text, error };
    this.announcer.textContent = text;
    this.drawMessage(text);
    this.send('statechange', this.told);
  }

  private drawMessage(text: string): void {
    const { state, error } = this;
    this.message.hidden = state === 'idle' || state === 'playing';
    if (this.message.hidden) {
      this.message.replaceChildren();
      return;
    }
    const hasPicture = (this.stats?.decodedFrames ?? 0) > 0;
    const aside = hasPicture && state !== 'failed';
    this.message.classList.toggle('corner', aside);
    this.message.part.toggle('notice', aside);
    const parts: HTMLElement[] = [];
    if (state !== 'failed') parts.push(element('div', 'spinner', ''));
    parts.push(element('p', 'title', text));
    if (error && (!hasPicture || state === 'failed')) {
      parts.push(element('p', 'advice', error.advice.advice));
      const code = error.detail === '' ? error.code : `${error.code}: ${error.detail}`;
      parts.push(element('p', 'code', code));
    }
    if (state === 'failed') {
      const button = element('button', '', 'Try again');
      button.addEventListener('click', () => this.play());
      parts.push(button);
    }
    this.message.replaceChildren(...parts);
  }

  private drawOverlay(): void {
    const stats = this.overlay ? this.stats : undefined;
    this.overlayList.hidden = !stats;
    if (!stats) return;
    this.overlayList.replaceChildren(
      ...figures(stats).flatMap(([label, value]) => [element('dt', '', label), element('dd', '', value)]),
    );
  }

  private send<Name extends keyof MqttVideoEvents>(name: Name, detail: MqttVideoEvents[Name]['detail']): void {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }
}

function element(tag: string, className: string, text: string): HTMLElement {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = text;
  return made;
}
