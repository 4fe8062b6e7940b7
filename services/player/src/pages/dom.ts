// Finding elements that the page is known to have, and key shortcuts: what the pages need of the DOM.

export function byId<T extends HTMLElement>(id: string, type: new () => T): T {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} #${id}`);
  return found;
}

/** Runs actions by single keys, except while somebody types or a dialog is open. */
export function shortcuts(actions: Readonly<Record<string, () => void>>): void {
  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || event.defaultPrevented) return;
    const { target } = event;
    if (target instanceof HTMLElement && target.closest('input, select, textarea, dialog')) return;
    const action = actions[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

export function toggleFullscreen(element: Element): void {
  if (document.fullscreenElement) void document.exitFullscreen();
  else void element.requestFullscreen().catch(() => undefined);
}

/** The dot in the header: whether what the page needs is there. */
export function showLink(up: boolean, why = 'Not connected', fine = 'Connected'): void {
  byId('link', HTMLElement).dataset['state'] = up ? 'up' : 'down';
  byId('link-text', HTMLElement).textContent = up ? fine : why;
}

/** An element with a class and a text. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = '',
  text = '',
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

/** Sets a text only where it changes, so that nobody hears or selects it in vain. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
