/** Undo and redo: the states of the page as links, the last one current. */

import { readLink, writeLink, type LinkState } from "./link";

/** The parts of a link that a step back restores; a moved map or another panel is no step of its own. */
const UNDONE: (keyof LinkState)[] = ["filter", "pins", "amounts", "held", "created", "arithmetic", "groups", "method", "loop", "keyframes", "space", "mix", "psi"];
const TOGETHER = 900; // milliseconds; quicker changes of the same part are one step

export class History {
  private links = $state.raw<string[]>([]);
  private at = $state(0);
  private last = { part: "", time: -Infinity };

  get canUndo(): boolean {
    return this.at > 0;
  }

  get canRedo(): boolean {
    return this.at < this.links.length - 1;
  }

  /** Note the current state; returns whether it is a new step. */
  record(link: string, now = performance.now()): boolean {
    const parts = this.links.length ? changed(this.links[this.at], link) : [];
    if (!this.links.length || !parts.length) return this.replace(link);
    if (this.moved(link)) return false;
    const part = parts.join(" ");
    const quick = part === this.last.part && now - this.last.time < TOGETHER && ["filter", "amounts", "keyframes", "mix", "psi"].includes(part);
    this.last = { part, time: now };
    if (quick) return this.replace(link);
    this.links = [...this.links.slice(0, this.at + 1), link];
    this.at += 1;
    return true;
  }

  /** The link of the step before (-1) or after (1); null if there is none. */
  step(by: -1 | 1): string | null {
    const link = this.links[this.at + by];
    if (link === undefined) return null;
    this.at += by;
    this.last = { part: "", time: -Infinity };
    return link;
  }

  /** Whether the link is that of a neighboring step, as after the browser's Back. */
  private moved(link: string): boolean {
    const by = ([-1, 1] as const).find((by) => this.links[this.at + by] !== undefined && !changed(this.links[this.at + by], link).length);
    if (by !== undefined && this.returning) this.at += by;
    return by !== undefined && this.returning;
  }

  returning = false; // the browser's Back or Forward led to the current state

  private replace(link: string): false {
    this.links = this.links.length ? this.links.with(this.at, link) : [link];
    return false;
  }
}

/** The undone parts in which two links differ. */
function changed(before: string, after: string): string[] {
  const [a, b] = [readLink(before), readLink(after)];
  return UNDONE.filter((part) => writeLink({ [part]: a[part] }) !== writeLink({ [part]: b[part] }));
}
