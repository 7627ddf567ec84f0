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
import type { Film, FilmOptions } from "./film";
import type { Frames } from "./scene";

export async function writeFilm(frames: Frames, options: FilmOptions): Promise<Film> {
  const { rate, onprogress } = options;
  const { codec, kind } = await codecFor(frames);
  const format = kind === "mp4" ? new Mp4OutputFormat() : new WebMOutputFormat();
  const output = new Output({ format, target: new BufferTarget() });
  const source = new VideoSampleSource({ codec, quality: QUALITY_VERY_HIGH });
  output.addVideoTrack(source, { frameRate: rate });
  await output.start();
  for (let i = 0; i < frames.count; i++) {
    const { width: codedWidth, height: codedHeight } = frames;
    const times = { timestamp: i / rate, duration: 1 / rate };
    const sample = new VideoSample(frames.frame(i), { format: "RGBA", codedWidth, codedHeight, ...times });
    await source.add(sample);
    sample.close();
    onprogress?.((i + 1) / frames.count);
  }
  await output.finalize();
  return { blob: new Blob([output.target.buffer!], { type: `video/${kind}` }), kind };
}

async function codecFor({ width, height }: Frames): Promise<{ codec: VideoCodec; kind: Film["kind"] }> {
  const able = async (codec: VideoCodec) =>
    typeof VideoEncoder !== "undefined" && (await canEncodeVideo(codec, { width, height }));
  if (await able("avc")) return { codec: "avc", kind: "mp4" };
  if (await able("vp9")) return { codec: "vp9", kind: "webm" };
  throw new Error("This browser cannot encode films on this page. Save a GIF instead.");
}
