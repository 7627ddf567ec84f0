/** Latent space: curves, charts with their inverse, neighbors, directions and samples. */

export { type DimensionChart, dimensionChart } from "./dimensions";
export { type FittedPoints, type Lattice, type Plane, PlaneInverse } from "./chart";
export {
  at,
  type Blend,
  changes,
  closed,
  type Curve,
  curve,
  lerp,
  loop,
  sample,
  slerp,
  steady,
  defaultBlend,
  walk,
} from "./curves";
export {
  arithmetic,
  byExample,
  type Direction,
  effects,
  move,
  type Probes,
  read,
  stdFrom,
  stdOf,
  stepOf,
  orthogonalTo,
} from "./directions";
export { type Field, follow, readField } from "./fields";
export { type Neighbors, nearest, relativeDistances } from "./nearest";
export { type Principal, principalComponents } from "./principal";
export { openPrior, type Prior } from "./priors";
export { draw, normals, uniform } from "./random";
export { openSearch, type NeighborSearch } from "./search";
export { freehand, type Inverse, overChart, placed, spiral, spline, trace } from "./shapes";
export { add, distance, dot, gather, mean, norm, row, scale, stack, subtract } from "./vectors";
export { Compass } from "./compass";
