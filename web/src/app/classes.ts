/** Choosing one of many classes by typing a part of its name. */

export const LONG_LIST = 24; // classes from which on a list is searched
export const LISTED = 60; // matches that are shown

/** The classes whose names contain a text, those that start with it first, and how many there are in total. */
export function matching(names: readonly string[], text: string, limit = LISTED): { found: number[]; total: number } {
  const wanted = plain(text);
  const hits = names.map((name, index) => ({ index, at: plain(name).indexOf(wanted), length: name.length })).filter(({ at }) => at >= 0);
  const rank = ({ at, length }: { at: number; length: number }) => (at > 0 ? 2 : length === wanted.length ? 0 : 1);
  const ordered = wanted ? hits.sort((a, b) => rank(a) - rank(b) || a.index - b.index) : hits;
  return { found: ordered.slice(0, limit).map(({ index }) => index), total: hits.length };
}

const plain = (text: string) => text.trim().toLowerCase().replaceAll("_", " ");
