/** The latent room: points, curves, charts walked both ways, neighbours, directions and samples. */

export { type OwnChart, ownAxes } from "./axes";
export { type Anchors, type Lattice, type Neighbours, type Plane, PlaneInverse } from "./chart";
export {
  at, type Blend, changes, closed, type Curve, curve, lerp, loop, sample, slerp, steady,
  usualBlend, walk,
} from "./curves";
export {
  arithmetic, byExample, type Direction, effects, move, type Probes, read, spreadBy,
  spreadOf, stepOf, without,
} from "./directions";
export { type Field, follow, readField } from "./fields";
export { far, type Near, nearest } from "./nearest";
export { type Principal, principalAxes } from "./principal";
export { openPrior, type Prior } from "./priors";
export { draw, normals, uniform } from "./random";
export { openSeeker, type Seeker } from "./seeker";
export { freehand, type Inverse, overChart, placed, spiral, spline, trace } from "./shapes";
export { add, distance, dot, gather, mean, norm, row, scale, stack, subtract } from "./vectors";
export { Compass } from "./compass";
