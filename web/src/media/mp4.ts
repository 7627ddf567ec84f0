/** Writes films with the browser's encoders; loaded on first use. */

import {
  BufferTarget, canEncodeVideo, Mp4OutputFormat, Output, QUALITY_VERY_HIGH, type VideoCodec, VideoSample,
  VideoSampleSource, WebMOutputFormat,
} from "mediabunny";
import type { Pictures } from "../types";
import { enlarged, wholeFactor } from "./enlarge";
import type { Film, FilmOptions } from "./film";

export async function writeFilm(pictures: Pictures, options: FilmOptions): Promise<Film> {
  const { rate, least = 256, onprogress } = options;
  const factor = wholeFactor(pictures, least);
  const { codec, kind } = await codecFor(enlarged(pictures, 0, factor, true));
  const format = kind === "mp4" ? new Mp4OutputFormat() : new WebMOutputFormat();
  const output = new Output({ format, target: new BufferTarget() });
  const source = new VideoSampleSource({ codec, quality: QUALITY_VERY_HIGH });
  output.addVideoTrack(source, { frameRate: rate });
  await output.start();
  for (let i = 0; i < pictures.count; i++) {
    const { rgba, width: codedWidth, height: codedHeight } = enlarged(pictures, i, factor, true);
    const times = { timestamp: i / rate, duration: 1 / rate };
    const sample = new VideoSample(rgba, { format: "RGBA", codedWidth, codedHeight, ...times });
    await source.add(sample);
    sample.close();
    onprogress?.((i + 1) / pictures.count);
  }
  await output.finalize();
  return { blob: new Blob([output.target.buffer!], { type: `video/${kind}` }), kind };
}

async function codecFor({
  width,
  height,
}: Pictures): Promise<{ codec: VideoCodec; kind: Film["kind"] }> {
  const able = async (codec: VideoCodec) =>
    typeof VideoEncoder !== "undefined" && (await canEncodeVideo(codec, { width, height }));
  if (await able("avc")) return { codec: "avc", kind: "mp4" };
  if (await able("vp9")) return { codec: "vp9", kind: "webm" };
  throw new Error(
    "This browser cannot encode films on this page. Save a GIF instead.",
  );
}
