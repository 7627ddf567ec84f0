/** The map: what the page needs of it. */

export * from "./camera";
export { Grid, type Near } from "./grid";
export { rowsInside } from "./lasso";
export { contoursOf, drawContours, type Contour } from "./density";
export { classSpots, placeLabels, type Label, type Spot } from "./labels";
export { attachPointer, type Mode, type PointerHandlers } from "./pointer";
export { PointMap } from "./points";
export { Thumbnails, tileOf, type Tile } from "./thumbnails";
