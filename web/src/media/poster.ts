/** An image of the map with its legend and a credit. */

export interface PosterText {
  entries: { text: string; colour: string }[]; // of the legend
  credit: string;
  paper: string;
  ink: string;
}

const LINE = 40; // pixels of a line of text
const DOT = 9; // pixels, radius

/** The map above a line with its legend and one with the credit, as a PNG. */
export async function poster(map: HTMLCanvasElement, { entries, credit, paper, ink }: PosterText): Promise<Blob> {
  const canvas = new OffscreenCanvas(map.width, map.height + (entries.length ? 2 : 1) * LINE + LINE / 2);
  const pen = canvas.getContext("2d")!;
  pen.fillStyle = paper;
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(map, 0, 0);
  pen.font = "20px system-ui, sans-serif";
  pen.textBaseline = "middle";
  let x = LINE / 2;
  for (const { text, colour } of entries) {
    const width = pen.measureText(text).width;
    if (x + width + 2 * LINE > canvas.width) break; // the legend is one line
    pen.fillStyle = colour;
    pen.beginPath();
    pen.arc(x + DOT, map.height + LINE / 2, DOT, 0, 2 * Math.PI);
    pen.fill();
    pen.fillStyle = ink;
    pen.fillText(text, x + 3 * DOT, map.height + LINE / 2);
    x += width + 3 * DOT + LINE / 2;
  }
  pen.fillStyle = ink;
  pen.globalAlpha = 0.75;
  pen.fillText(credit, LINE / 2, canvas.height - (3 * LINE) / 4);
  return canvas.convertToBlob({ type: "image/png" });
}
