/** Image, film and strip files. */

export { enlarged, isGrey, pixels, wholeFactor } from "./enlarge";
export { type Film, film, type FilmOptions } from "./film";
export { gif, type GifOptions } from "./gif";
export { readImage } from "./read";
export { safeName, save } from "./save";
export { strip, type StripOptions } from "./strip";
