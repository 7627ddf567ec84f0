/** Decoding and encoding, in the page or on the server. */

export { chooseDecoder, chooseEncoder } from "./choose";
export { pageClassifier } from "./page";
export { latentOf, geodesic, nearestLatents, newChart, realImage, saveTimeline } from "./server";
export { openSocket, type Line, type Socket } from "./socket";
