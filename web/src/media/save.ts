/** Gives a file to the person. */

/** Save bytes under a name that every file system takes. */
export function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = safeName(name);
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // a slow disk may still be reading it
}

/** Letters, digits, dashes and the ending; at most 80 of them. */
export function safeName(name: string): string {
  const ending = /\.[a-z0-9]{1,5}$/i.exec(name)?.[0].toLowerCase() ?? "";
  const stem = name.slice(0, name.length - ending.length);
  const plain = stem.normalize("NFKC").replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "");
  const cut = Array.from(plain).slice(0, 80).join("");
  const reserved = /^(con|prn|aux|nul|com\d|lpt\d)$/i.test(cut);
  return `${!cut || reserved ? `zatlas-${cut}`.replace(/-$/, "") : cut}${ending}`;
}
