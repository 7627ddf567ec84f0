/** Keyboard navigation in a row of buttons: tabs, or options of which one is selected. */

/** Select the next or the previous value with the arrow keys, and focus its button. */
export function moveFocus<T>(event: KeyboardEvent, values: T[], current: T, select: (value: T) => void): void {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const next = (values.indexOf(current) + step + values.length) % values.length;
  select(values[next]);
  (event.currentTarget as HTMLElement).querySelectorAll("button")[next].focus();
}
