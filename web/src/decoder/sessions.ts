/** Runs models with onnxruntime-web, inside the worker. */

import type { InferenceSession, Tensor, TypedTensor } from "onnxruntime-web";
import type { Images } from "../types";
import { type Shape, toFloats, toImages } from "./images";
import type { Engine } from "./runtime";

/** What we use of the runtime's module. */
export interface Ort {
  InferenceSession: { create(bytes: Uint8Array, options: object): Promise<InferenceSession> };
  Tensor: new (
    type: "float32" | "int64",
    data: Float32Array | BigInt64Array,
    dims: readonly number[],
  ) => TypedTensor<"float32" | "int64">;
}

export class Sessions {
  #open = new Map<string, InferenceSession>();

  constructor(
    readonly ort: Ort,
    readonly engine: Engine = "wasm",
  ) {}

  async open(model: string, bytes: ArrayBuffer): Promise<void> {
    const options = { executionProviders: [this.engine], graphOptimizationLevel: "all" };
    this.#open.set(model, await this.ort.InferenceSession.create(new Uint8Array(bytes), options));
  }

  async close(model: string): Promise<void> {
    await this.#session(model).release();
    this.#open.delete(model);
  }

  async decode(model: string, z: Float32Array, n: number, labels?: number[]): Promise<Images> {
    const input = new this.ort.Tensor("float32", z, [n, z.length / n]);
    const output = await this.#run(model, input, labels);
    return toImages(output.data as Float32Array, output.dims as unknown as Shape, 1);
  }

  async encode(model: string, images: Images, channels: number, labels?: number[]): Promise<Float32Array> {
    const { count, height, width } = images;
    const dims = [count, channels, height, width];
    const input = new this.ort.Tensor("float32", toFloats(images, channels), dims);
    const points = await this.#run(model, input, labels);
    return Float32Array.from(points.data as Float32Array);
  }

  async #run(model: string, input: Tensor, labels?: number[]): Promise<Tensor> {
    const session = this.#session(model);
    const [first, second] = session.inputNames;
    const feeds: Record<string, Tensor> = { [first]: input };
    if (second) {
      const classes = BigInt64Array.from(labels ?? [], BigInt);
      if (classes.length !== input.dims[0]) {
        throw new Error(`This model needs one class label per image: ${input.dims[0]}, not ${classes.length}.`);
      }
      feeds[second] = new this.ort.Tensor("int64", classes, [classes.length]);
    }
    const result = await session.run(feeds);
    return result[session.outputNames[0]];
  }

  #session(model: string): InferenceSession {
    const session = this.#open.get(model);
    if (!session) throw new Error(`The model ${model} is not open.`);
    return session;
  }
}
