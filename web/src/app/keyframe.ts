/** Keyframes: the timing and the edits of a pin, as text of a link and as a file that `zatlas path` renders. */

import type { RunEntry, TimelineEntry } from "../contract";
import type { Table } from "../data";
import { EASINGS, MAX_SECONDS, type Timing, TIMING } from "../latent";
import { commandName, type Anchor } from "./anchor";
import { integer } from "./format";

export type Edits = Record<string, number>; // standard deviations by the name of a direction

/** What a pin adds to a walk. */
export interface Keyframe extends Timing {
  edits: Edits;
}

export const keyframeOf = (pin: Anchor): Keyframe => pin.keyframe ?? { ...TIMING, edits: {} };

/** Seconds between 0, or a least value, and the limit; the other value if it is no number. */
export function secondsOf(text: string | number, least: number, other: number): number {
  const value = Number(text);
  return text === "" || !Number.isFinite(value) ? other : Math.min(Math.max(value, least), MAX_SECONDS);
}

const LEAST = 0.05; // seconds of a move

/** A keyframe as text: hold, seconds, easing and edits; empty for the defaults. */
export function keyframeText({ keyframe }: Anchor): string {
  if (!keyframe) return "";
  const edits = Object.entries(keyframe.edits).map(([name, amount]) => `${encodeURIComponent(name)}=${amount}`);
  return [keyframe.hold, keyframe.seconds, keyframe.easing, ...edits].join(";");
}

/** The keyframe in such a text; undefined if it is empty or damaged. */
export function readKeyframe(text: string | undefined): Keyframe | undefined {
  if (!text) return undefined;
  const [hold, seconds, easing, ...rest] = text.split(";");
  const edits = rest.flatMap((part): [string, number][] => {
    const [name, amount] = part.split("=");
    return name && Number.isFinite(Number(amount)) ? [[decoded(name), Number(amount)]] : [];
  });
  return {
    hold: secondsOf(hold, 0, TIMING.hold),
    seconds: secondsOf(seconds ?? "", LEAST, TIMING.seconds),
    easing: EASINGS.find((item) => item === easing) ?? TIMING.easing,
    edits: Object.fromEntries(edits),
  };
}

/** The timeline of a walk as a file: latents with their edits, so that Python needs no direction of the page. */
export function timelineFile(
  run: { entry: RunEntry; table: Table; labelOf: (pin: Anchor) => number },
  pins: readonly Anchor[],
  latentOf: (pin: Anchor) => Float32Array,
  { method, closed, constantRate }: { method: string; closed: boolean; constantRate: boolean },
): TimelineEntry {
  const keyframes = pins.map((pin) => {
    const { hold, seconds, easing, edits } = keyframeOf(pin);
    const anchor = commandName(pin, run);
    const label = run.entry.classes[run.labelOf(pin)];
    return {
      ...(anchor === null ? {} : { anchor }),
      latent: Array.from(latentOf(pin)),
      ...(label === undefined ? {} : { label }),
      ...{ hold, seconds, easing },
      ...(Object.keys(edits).length ? { edits } : {}),
    };
  });
  return { format: 1, method, closed, constant_rate: constantRate, keyframes };
}

/** The pins of a timeline. One with an anchor that the page has keeps its edits; another is its final latent. */
export function pinsOf(
  run: { entry: RunEntry; rowOf: (index: number) => number | undefined; anchor: (row: number) => Anchor },
  timeline: TimelineEntry,
): Omit<Anchor, "name">[] {
  return timeline.keyframes.flatMap((item): Omit<Anchor, "name">[] => {
    const { hold, seconds, easing } = { ...TIMING, ...item };
    const keyframe = readKeyframe([hold, seconds, easing].join(";"))!;
    const number = /^image:(\d+)$/.exec(item.anchor ?? "")?.[1];
    const row = number === undefined ? undefined : run.rowOf(Number(number));
    const label = item.label === undefined ? -1 : run.entry.classes.indexOf(item.label);
    const own = label < 0 ? {} : { label };
    if (row !== undefined) return [{ ...run.anchor(row), ...own, keyframe: { ...keyframe, edits: item.edits ?? {} } }];
    if (item.latent?.length !== run.entry.dim) return [];
    const about = item.anchor ?? `keyframe ${integer(timeline.keyframes.indexOf(item) + 1)}`;
    return [{ z: Float32Array.from(item.latent), row: null, about, ...own, keyframe }];
  });
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a link that was cut short
  }
}
