/** Writes films with the browser's encoders; loaded on first use. */

import {
  BufferTarget,
  canEncodeVideo,
  Mp4OutputFormat,
  Output,
  QUALITY_VERY_HIGH,
  type VideoCodec,
  VideoSample,
  VideoSampleSource,
  WebMOutputFormat,
} from "mediabunny";
import type { Images } from "../types";
import { enlarged, wholeFactor } from "./enlarge";
import type { Film, FilmOptions } from "./film";

export async function writeFilm(images: Images, options: FilmOptions): Promise<Film> {
  const { rate, least = 256, onprogress } = options;
  const factor = wholeFactor(images, least);
  const { codec, kind } = await codecFor(enlarged(images, 0, factor, true));
  const format = kind === "mp4" ? new Mp4OutputFormat() : new WebMOutputFormat();
  const output = new Output({ format, target: new BufferTarget() });
  const source = new VideoSampleSource({ codec, quality: QUALITY_VERY_HIGH });
  output.addVideoTrack(source, { frameRate: rate });
  await output.start();
  for (let i = 0; i < images.count; i++) {
    const { rgba, width: codedWidth, height: codedHeight } = enlarged(images, i, factor, true);
    const times = { timestamp: i / rate, duration: 1 / rate };
    const sample = new VideoSample(rgba, { format: "RGBA", codedWidth, codedHeight, ...times });
    await source.add(sample);
    sample.close();
    onprogress?.((i + 1) / images.count);
  }
  await output.finalize();
  return { blob: new Blob([output.target.buffer!], { type: `video/${kind}` }), kind };
}

async function codecFor({ width, height }: Images): Promise<{ codec: VideoCodec; kind: Film["kind"] }> {
  const able = async (codec: VideoCodec) =>
    typeof VideoEncoder !== "undefined" && (await canEncodeVideo(codec, { width, height }));
  if (await able("avc")) return { codec: "avc", kind: "mp4" };
  if (await able("vp9")) return { codec: "vp9", kind: "webm" };
  throw new Error("This browser cannot encode films on this page. Save a GIF instead.");
}
