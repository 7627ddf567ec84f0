/** Image, film and strip files. */

export { paint } from "./enlarge";
export { film } from "./film";
export { gif } from "./gif";
export { readImage } from "./read";
export { save } from "./save";
export { strip } from "./strip";
