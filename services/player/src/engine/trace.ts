// The trace of a play: a W3C traceparent (Trace Context, section 3.2) whose ids are made here, because this is where a play
// begins. The browser exports nothing; the gatekeeper tells its spans from the report of the first frame.

/** A new trace and its root span. */
export function newTrace(): string {
  return `00-${hex(16)}-${hex(8)}-01`;
}

function hex(bytes: number): string {
  return [...crypto.getRandomValues(new Uint8Array(bytes))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
