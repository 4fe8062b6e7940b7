// Finding elements that the page is known to have, and key shortcuts: what both pages need of the DOM.

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

/** The dot in the header: whether the broker is there. */
export function showLink(up: boolean, why?: string): void {
  byId('link', HTMLElement).dataset['state'] = up ? 'up' : 'down';
  byId('link-text', HTMLElement).textContent = up ? 'Connected' : (why ?? 'Not connected');
}
