import { expect, test } from 'vitest';
import { readRenderer, rendererFor } from '../src/engine/renderer';
import type { Renderer } from '../src/engine/stage';
import type { TrackName } from '../src/engine/viewing';

const ALL = { mse: true, webcodecs: true };
const PICTURE: TrackName[] = ['video'];
const SOUND: TrackName[] = ['video', 'audio'];

test.each<[string, Renderer | undefined, TrackName[], typeof ALL, Renderer | undefined]>([
  ['nothing is wanted', undefined, PICTURE, ALL, 'mse'],
  ['MSE is wanted', 'mse', PICTURE, ALL, 'mse'],
  ['WebCodecs is wanted and there', 'webcodecs', PICTURE, ALL, 'webcodecs'],
  ['WebCodecs is wanted, with sound', 'webcodecs', SOUND, ALL, 'mse'],
  ['WebCodecs is wanted and not there', 'webcodecs', PICTURE, { mse: true, webcodecs: false }, 'mse'],
  ['WebCodecs is all there is', 'webcodecs', PICTURE, { mse: false, webcodecs: true }, 'webcodecs'],
  ['WebCodecs is all there is, and sound is wanted', 'webcodecs', SOUND, { mse: false, webcodecs: true }, undefined],
  ['nothing is there', 'webcodecs', PICTURE, { mse: false, webcodecs: false }, undefined],
])('the renderer that is taken when %s', (_, wanted, tracks, can, taken) => {
  expect(rendererFor(wanted, tracks, can)).toBe(taken);
});

test.each([
  ['webcodecs', 'webcodecs'],
  ['mse', 'mse'],
  ['', 'mse'],
  ['toaster', 'mse'],
  [null, 'mse'],
])('a renderer named %j reads as %s', (name, renderer) => {
  expect(readRenderer(name)).toBe(renderer);
});
