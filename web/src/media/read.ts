/** Reads an image file, cropped to its center and resized for a model. */

import type { Images } from "../types";

export async function readImage(file: Blob, { width, height }: { width: number; height: number }): Promise<Images> {
  const image = await createImageBitmap(file).catch(() => {
    throw new Error("This file cannot be read as an image. Try a PNG, JPEG or WebP file.");
  });
  const scale = Math.min(image.width / width, image.height / height);
  const [w, h] = [width * scale, height * scale];
  const [left, top] = [(image.width - w) / 2, (image.height - h) / 2];
  let canvas = new OffscreenCanvas(Math.max(Math.round(w), 1), Math.max(Math.round(h), 1));
  drawn(canvas, image, left, top, w, h);
  image.close();
  // Halve repeatedly, because one large step would skip pixels.
  while (canvas.width >= 2 * width && canvas.height >= 2 * height) {
    const half = new OffscreenCanvas(canvas.width >> 1, canvas.height >> 1);
    canvas = drawn(half, canvas, 0, 0, canvas.width, canvas.height);
  }
  const small = drawn(new OffscreenCanvas(width, height), canvas, 0, 0, canvas.width, canvas.height);
  const { data } = small.getContext("2d")!.getImageData(0, 0, width, height);
  return { count: 1, width, height, rgba: data as Uint8ClampedArray<ArrayBuffer> };
}

/** Draw on white, because images may be transparent. */
function drawn(
  canvas: OffscreenCanvas,
  image: CanvasImageSource,
  left: number,
  top: number,
  width: number,
  height: number,
): OffscreenCanvas {
  const pen = canvas.getContext("2d")!;
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(image, left, top, width, height, 0, 0, canvas.width, canvas.height);
  return canvas;
}
