/** Image, film and strip files. */

export { difference, meanChange, subset } from "./compare";
export { faded, paint } from "./enlarge";
export { film } from "./film";
export { gif, sceneGif } from "./gif";
export { poster, svgPoster } from "./poster";
export { readImage } from "./read";
export { save } from "./save";
export { type Inset, plainFrames, scene, type Shape, SHAPES } from "./scene";
export { strip } from "./strip";
