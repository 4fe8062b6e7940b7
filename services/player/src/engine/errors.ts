// What can go wrong, in words for the person who looks at the picture that is not there: what it is and what to do.
//
// The codes of the service come from its JSON; the rest are this player's own. A refusal keeps the service's own text as
// detail, for it knows more than the code says.

export type ServiceCode =
  | 'not_allowed'
  | 'bad_request'
  | 'unauthorized'
  | 'no_capacity'
  | 'source_unreachable'
  | 'source_unauthorized'
  | 'unsupported_codec'
  | 'draining'
  | 'internal';

export type PlayerCode =
  | 'broker_unreachable'
  | 'broker_refused'
  | 'broker_address'
  | 'no_service'
  | 'no_answer'
  | 'no_media'
  | 'cannot_decode'
  | 'no_media_source';

export type ErrorCode = ServiceCode | PlayerCode;

export interface Advice {
  /** What happened, as a heading. */
  readonly title: string;
  /** What to do about it. */
  readonly advice: string;
  /** False: trying again cannot help until somebody changes something. */
  readonly retry: boolean;
}

const ADVICE: Readonly<Record<ErrorCode, Advice>> = {
  not_allowed: {
    title: 'This camera is not on the list',
    advice: 'Check the spelling, or ask whoever runs this service to allow it.',
    retry: false,
  },
  bad_request: {
    title: 'The service does not understand the request',
    advice: 'Reload the page. If that does not help, player and service are of different versions.',
    retry: false,
  },
  unauthorized: {
    title: 'You may not watch this',
    advice: 'Your access may have expired. Sign in again, or open the page by a fresh link.',
    retry: false,
  },
  no_capacity: {
    title: 'All places are taken',
    advice: 'The player tries again by itself as soon as the service says so.',
    retry: true,
  },
  source_unreachable: {
    title: 'The camera does not answer',
    advice: 'Check that it has power and network. The player keeps trying.',
    retry: true,
  },
  source_unauthorized: {
    title: 'The camera refuses the login',
    advice: 'The user name or password that the service has for it must be corrected.',
    retry: false,
  },
  unsupported_codec: {
    title: 'This picture format cannot be played',
    advice: 'Choose another profile, or set the camera to H.264.',
    retry: false,
  },
  draining: {
    title: 'The service is moving this camera',
    advice: 'The player tries again in a moment.',
    retry: true,
  },
  internal: {
    title: 'The service has a problem',
    advice: 'The player tries again. If this stays, tell whoever runs the service.',
    retry: true,
  },
  broker_unreachable: {
    title: 'No connection to the message broker',
    advice: 'Check your network. The player connects again by itself.',
    retry: true,
  },
  broker_refused: {
    title: 'The message broker refuses access',
    advice: 'It wants another login or does not allow these topics. Tell whoever runs it.',
    retry: true,
  },
  broker_address: {
    title: 'The address of the message broker is of no use',
    advice: 'It begins with ws:// or wss://, and with wss:// on a page that came by https. Whoever made this page can change it.',
    retry: false,
  },
  no_service: {
    title: 'Nobody serves video on this broker',
    advice: 'The gatekeeper is not running, or uses another topic prefix. The player keeps trying.',
    retry: true,
  },
  no_answer: {
    title: 'The service does not answer',
    advice: 'The player asks again.',
    retry: true,
  },
  no_media: {
    title: 'No picture arrives',
    advice: 'The service answered but sends no media. The player asks again.',
    retry: true,
  },
  cannot_decode: {
    title: 'This browser cannot decode the picture',
    advice: 'Choose another profile, or try another browser.',
    retry: false,
  },
  no_media_source: {
    title: 'This browser cannot play live video',
    advice: 'It has no Media Source Extensions. Update it, or use another one.',
    retry: false,
  },
};

export function adviceFor(code: ErrorCode): Advice {
  return ADVICE[code];
}

export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && Object.hasOwn(ADVICE, code);
}

export class PlayerError extends Error {
  override readonly name = 'PlayerError';

  constructor(
    readonly code: ErrorCode,
    /** What the service or the browser said itself. */
    readonly detail = '',
    /** When to try again, milliseconds; undefined: the player's choice. */
    readonly retryAfter?: number,
  ) {
    super(detail === '' ? ADVICE[code].title : `${ADVICE[code].title}: ${detail}`);
  }

  get advice(): Advice {
    return ADVICE[this.code];
  }
}
