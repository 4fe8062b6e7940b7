// Which way of showing a picture is taken: the one that is wanted where browser and tracks allow it, else the one that is
// there for everything.
import { canDecode, DecoderStage } from './decoder-stage';
import { MseStage } from './mse-stage';
import { mediaSourceClass } from './sink';
import type { Renderer, Stage, StagePlan } from './stage';
import type { TrackName } from './viewing';

/** What this browser can do, on this page. */
export interface Abilities {
  readonly mse: boolean;
  readonly webcodecs: boolean;
}

/** A renderer by its name; whatever else is written reads as the default. */
export function readRenderer(name: string | null): Renderer {
  return name === 'webcodecs' ? 'webcodecs' : 'mse';
}

function abilities(): Abilities {
  return { mse: mediaSourceClass() !== undefined, webcodecs: canDecode() };
}

/** The renderer to take; undefined: this browser has none for these tracks. */
export function rendererFor(
  wanted: Renderer | undefined,
  tracks: readonly TrackName[],
  can: Abilities = abilities(),
): Renderer | undefined {
  // Sound without a common clock would not fit the picture.
  const isPossible = can.webcodecs && !tracks.includes('audio');
  if (wanted === 'webcodecs' && isPossible) return 'webcodecs';
  return can.mse ? 'mse' : undefined;
}

export function makeStage(renderer: Renderer, plan: StagePlan): Stage {
  switch (renderer) {
    case 'mse':
      return new MseStage(plan);
    case 'webcodecs':
      return new DecoderStage(plan);
  }
}
