/** Decoding and encoding, in the page or on the server. */

export { chooseDecoder, chooseEncoder } from "./choose";
export { type Shape, toBytes, toFloats, toImages } from "./images";
export { pageDecoder, pageEncoder, pageClassifier } from "./page";
export {
  latentOf,
  geodesic,
  nearestLatents,
  newChart,
  realImage,
  type ServedRun,
  serverDecoder,
  serverEncoder,
} from "./server";
export { openSocket, type RequestBody, Refused, type Reply, type Socket, type SocketState } from "./socket";
