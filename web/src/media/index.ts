/** Image, film and strip files. */

export { difference, meanChange, subset } from "./compare";
export { faded, paint } from "./enlarge";
export { film } from "./film";
export { gif } from "./gif";
export { poster } from "./poster";
export { readImage } from "./read";
export { save } from "./save";
export { strip } from "./strip";
