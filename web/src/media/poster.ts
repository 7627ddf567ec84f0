/** An image of the map with its legend and a credit, as PNG or SVG. */

export interface PosterText {
  entries: { text: string; colour: string }[]; // of the legend
  credit: string;
  paper: string;
  ink: string;
}

const LINE = 40; // pixels of a line of text
const DOT = 9; // pixels, radius
const FONT = 20; // pixels
const FAMILY = "system-ui, sans-serif";

/** Where an entry of the legend stands: the left edge of its dot. */
interface Placed {
  text: string;
  colour: string;
  x: number;
}

/** The map above a line with its legend and one with the credit, as a PNG. */
export async function poster(map: HTMLCanvasElement, poster: PosterText): Promise<Blob> {
  const { credit, paper, ink } = poster;
  const canvas = new OffscreenCanvas(map.width, heightOf(map, poster));
  const pen = canvas.getContext("2d")!;
  pen.fillStyle = paper;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(map, 0, 0);
  pen.font = `${FONT}px ${FAMILY}`;
  pen.textBaseline = "middle";
  for (const { text, colour, x } of legendOf(map, poster)) {
    pen.fillStyle = colour;
    pen.beginPath();
    pen.arc(x + DOT, map.height + LINE / 2, DOT, 0, 2 * Math.PI);
    pen.fill();
    pen.fillStyle = ink;
    pen.fillText(text, x + 3 * DOT, map.height + LINE / 2);
  }
  pen.fillStyle = ink;
  pen.globalAlpha = 0.75;
  pen.fillText(credit, LINE / 2, canvas.height - (3 * LINE) / 4);
  return canvas.convertToBlob({ type: "image/png" });
}

/** The same as an SVG, whose texts can be edited; the map in it is a PNG. */
export function svgPoster(map: HTMLCanvasElement, poster: PosterText): Blob {
  const { credit, paper, ink } = poster;
  const [width, height] = [map.width, heightOf(map, poster)];
  const entries = legendOf(map, poster).map(
    ({ text, colour, x }) =>
      `<circle cx="${x + DOT}" cy="${map.height + LINE / 2}" r="${DOT}" fill="${colour}"/>` +
      `<text x="${x + 3 * DOT}" y="${map.height + LINE / 2}">${escaped(text)}</text>`,
  );
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<rect width="${width}" height="${height}" fill="${paper}"/>`,
    `<image width="${map.width}" height="${map.height}" href="${map.toDataURL("image/png")}"/>`,
    `<g font-family="${FAMILY}" font-size="${FONT}" fill="${ink}" dominant-baseline="central">`,
    ...entries,
    `<text x="${LINE / 2}" y="${height - (3 * LINE) / 4}" opacity="0.75">${escaped(credit)}</text>`,
    "</g></svg>",
  ];
  return new Blob([parts.join("\n")], { type: "image/svg+xml" });
}

const heightOf = (map: HTMLCanvasElement, { entries }: PosterText) => map.height + (entries.length ? 2 : 1) * LINE + LINE / 2;

/** The entries that fit into one line. */
function legendOf(map: HTMLCanvasElement, { entries }: PosterText): Placed[] {
  const pen = new OffscreenCanvas(1, 1).getContext("2d")!;
  pen.font = `${FONT}px ${FAMILY}`;
  const placed: Placed[] = [];
  let x = LINE / 2;
  for (const entry of entries) {
    const width = pen.measureText(entry.text).width;
    if (x + width + 2 * LINE > map.width) break;
    placed.push({ ...entry, x: Math.round(x) });
    x += width + 3 * DOT + LINE / 2;
  }
  return placed;
}

const SIGNS: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** A text for SVG, without the control characters that XML forbids. */
function escaped(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, "").replace(/[&<>"]/g, (sign) => SIGNS[sign]);
}
