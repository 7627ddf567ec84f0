/** The decoder room: images of points and points of images, in the page or on the server. */

export { chooseDecoder, chooseEncoder } from "./choose";
export { type Shape, toBytes, toFloats, toPictures } from "./images";
export { pageDecoder, pageEncoder, pageScorer } from "./page";
export {
  codeOf, geodesic, nearestCodes, newChart, realImage, type ServedRun, serverDecoder, serverEncoder,
} from "./server";
export { openSocket, type Question, Refused, type Reply, type Socket, type SocketState } from "./socket";
