/** The map: camera, points, thumbnails, labels, contours and pointer. */

export * from "./camera";
export { Grid, type Near } from "./grid";
export { rowsInside } from "./lasso";
export { contoursOf, drawContours, type Contour } from "./density";
export { classCenters, placeLabels, type Label, type ClassCenter } from "./labels";
export { attachPointer, type Mode, type PointerHandlers } from "./pointer";
export { PointMap } from "./points";
export { Thumbnails, tileOf, type Tile } from "./thumbnails";
