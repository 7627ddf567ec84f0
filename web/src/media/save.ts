/** Saving files. */

/** Save a blob under a name that is valid on every file system. */
export function save(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = safeName(name);
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // a slow disk may still be reading it
}

/** A file name of at most 80 letters, digits and dashes, with its extension. */
export function safeName(name: string): string {
  const ending = /\.[a-z0-9]{1,5}$/i.exec(name)?.[0].toLowerCase() ?? "";
  const stem = name.slice(0, name.length - ending.length);
  const plain = stem
    .normalize("NFKC")
    .replace(/[^\p{L}\p{N}]+/gu, "-")
    .replace(/^-+|-+$/g, "");
  const cut = Array.from(plain).slice(0, 80).join("");
  const reserved = /^(con|prn|aux|nul|com\d|lpt\d)$/i.test(cut);
  return `${!cut || reserved ? `zatlas-${cut}`.replace(/-$/, "") : cut}${ending}`;
}
