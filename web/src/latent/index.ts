/** Latent space: curves, charts with their inverse, neighbors, directions and samples. */

export { alignment, movedBy, type Motion } from "./align";
export { combine, meanLatent, type Summand } from "./arithmetic";
export { dimensionChart } from "./dimensions";
export { type Lattice, PlaneInverse } from "./chart";
export { at, changes, type Curve, curve, loop, nearestMark, originalTime, sample, steady, defaultBlend, walk } from "./curves";
export {
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
export { readField } from "./fields";
export { relativeDistances } from "./nearest";
export { type Principal, principalComponents } from "./principal";
export { openPrior, type Prior } from "./priors";
export { draw, uniform } from "./random";
export { openSearch, type NeighborSearch } from "./search";
export { freehand, overChart, placed, spiral, spline } from "./shapes";
export { mixed, truncated } from "./styles";
export { gather, mean, norm, row, stack } from "./vectors";
export { Compass } from "./compass";
export { curveTime, duration, EASINGS, type Easing, frameCount, frameTimes, MAX_SECONDS, type Timing, TIMING } from "./timeline";
