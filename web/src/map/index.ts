/** The map: camera, points, thumbnails, labels, contours and pointer. */

export * from "./camera";
export { Grid } from "./grid";
export { rowsInside } from "./lasso";
export { contoursOf, drawContours, type Contour } from "./density";
export { classCenters, placeLabels } from "./labels";
export { landmarks } from "./landmarks";
export { attachPointer } from "./pointer";
export { PointMap } from "./points";
export { SpriteSheets } from "./sheets";
export { Thumbnails } from "./thumbnails";
