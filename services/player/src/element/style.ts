// The element's look, as a constructed style sheet: allowed by a Content-Security-Policy that forbids inline styles.
const css = `
:host {
  display: block;
  position: relative;
  overflow: hidden;
  aspect-ratio: 16 / 9;
  background: #000;
  color: #eef2f6;
  font: 0.875rem/1.4 system-ui, sans-serif;
}
:host([hidden]) { display: none; }
video, canvas {
  position: absolute;
  inset: 0;
  width: 100%;
  height: 100%;
  object-fit: contain;
}
[hidden] { display: none !important; }
.announcer {
  position: absolute;
  width: 1px;
  height: 1px;
  margin: 0;
  overflow: hidden;
  clip-path: inset(50%);
}
.message {
  position: absolute;
  inset: 0;
  display: grid;
  place-content: center;
  justify-items: center;
  gap: 0.5rem;
  padding: 1rem;
  text-align: center;
  background: rgb(5 8 12 / 0.62);
}
.message.corner {
  inset: auto auto 0.75rem 50%;
  translate: -50% 0;
  display: flex;
  align-items: center;
  gap: 0.6rem;
  width: max-content;
  max-width: calc(100% - 1.5rem);
  padding: 0.45rem 0.9rem;
  border-radius: 999px;
  background: rgb(5 8 12 / 0.82);
}
.title { margin: 0; font-size: 1rem; font-weight: 600; }
.corner .title { font-size: 0.875rem; font-weight: 500; }
.advice { margin: 0; max-width: 34rem; color: #c3ccd6; }
.code { margin: 0; color: #93a0af; font: 0.75rem/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
.spinner {
  width: 1.75rem;
  height: 1.75rem;
  border: 3px solid rgb(255 255 255 / 0.22);
  border-top-color: #fff;
  border-radius: 50%;
  animation: turn 0.9s linear infinite;
}
.corner .spinner { width: 0.9rem; height: 0.9rem; border-width: 2px; }
@keyframes turn { to { rotate: 1turn; } }
@media (prefers-reduced-motion: reduce) {
  .spinner { animation: none; border-color: rgb(255 255 255 / 0.6); border-style: dotted; }
}
button {
  margin-top: 0.5rem;
  padding: 0.5rem 1.1rem;
  border: 1px solid rgb(255 255 255 / 0.35);
  border-radius: 0.5rem;
  background: rgb(255 255 255 / 0.1);
  color: inherit;
  font: inherit;
  font-weight: 600;
  cursor: pointer;
}
button:hover { background: rgb(255 255 255 / 0.2); }
button:focus-visible { outline: 2px solid #7ab8ff; outline-offset: 2px; }
.overlay {
  position: absolute;
  top: 0.75rem;
  left: 0.75rem;
  display: grid;
  grid-template-columns: auto auto;
  gap: 0.1rem 0.9rem;
  margin: 0;
  padding: 0.6rem 0.8rem;
  border-radius: 0.5rem;
  background: rgb(5 8 12 / 0.78);
  font-size: 0.8125rem;
  font-variant-numeric: tabular-nums;
  pointer-events: none;
}
.overlay dt { color: #a8b3bf; }
.overlay dd { margin: 0; }
`;

export function styleSheet(): CSSStyleSheet {
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  return sheet;
}
