import { signal } from '@preact/signals';

/** Whether a button of the mouse, a pen or a finger is down. */
const isDown = signal(false);

/** Follows the pointer until the returned function is called. */
export function followPointer(): () => void {
  const down = (event: PointerEvent): void => {
    if (event.isPrimary && event.button === 0) isDown.value = true;
  };
  // The click comes after this event: what waits is done when that is over.
  const up = (event: Event): void => {
    // Fields lose the focus with the press itself; only the window's loss of it ends a press.
    if (event.type === 'blur' && event.target !== window) return;
    setTimeout(() => {
      isDown.value = false;
    });
  };
  window.addEventListener('pointerdown', down, true);
  for (const type of ['pointerup', 'pointercancel', 'blur']) window.addEventListener(type, up, true);
  return () => {
    window.removeEventListener('pointerdown', down, true);
    for (const type of ['pointerup', 'pointercancel', 'blur']) window.removeEventListener(type, up, true);
    isDown.value = false;
  };
}

/**
 * Does it now, or once the press that is under way is a click: what moves rows between press and release takes the click
 * from what was pressed. The returned function calls it off.
 */
export function afterPress(work: () => void): () => void {
  if (!isDown.peek()) {
    work();
    return () => {};
  }
  const stop = isDown.subscribe((down) => {
    if (down) return;
    stop();
    work();
  });
  return stop;
}
