/** Written by `python -m tests.write_contract` from the Python package. Do not edit. */

export const FORMAT = 1; // of the manifest
export const GPU_PIXELS = 16384; // of an image from which on the page tries the GPU
export const SHELL = 8; // dimensions from which on samples of a normal prior lie on a shell
export const MAX_ON_SHELL = 24; // latents whose mean keeps their norm
export const DENSE = 48; // straight pieces per spline segment
export const FORWARD = 8; // neighbors that determine a position on a chart
export const INVERSE = 16; // neighbors that determine the latent at a position
export const FEW = 30; // values of which the largest stands for the 99th percentile
export const CHART_MARGIN = 0.02; // of the box around the positions of a chart, on each side
export const FIELD_STEP = 0.375; // largest step along a nonlinear direction, in standard deviations
export const PRIOR_KEY = "zatlas-prior"; // of the metadata of a fitted prior's file
export const PRIOR_FORMAT = 1; // of that file
export const COUPLING_LIMIT = 2; // of a coupling's log-scale
export const SPLINE_REACH = 5; // the splines of a flow are the identity beyond this
export const SPLINE_MIN = 0.01; // minimum bin width, bin height and derivative of these splines
export const MAX_COMPONENTS = 64; // principal components in which a preference is estimated
export const MIN_STD = 0.05; // components with a smaller share of the largest std are ignored
export const MAX_PAIRWISE = 16; // most components for questions of 2 images; above, GROUP images
export const GROUP = 6; // images of a question in many dimensions
export const RADIUS = 2.5; // distance of the shown images from the starting latent, in std
export const ERROR_RATE = 0.1; // of the user's answers
export const NOISE = 0.3; // preference difference below which answers are close to random
export const SWEEPS = 3; // of expectation propagation over all answers
export const CANDIDATES = 60; // questions, of which the most informative is shown
export const STORY_NEEDS = "autoencoder charts classes correlated decoder dimensions direction exclusive gap images points prior shell uncorrelated"; // what a run can have that a story needs
export const MAX_STORY = 60000; // characters
export const MAX_STEPS = 50; // of a story
export const MAX_TITLE = 120; // characters
export const MAX_CHOICES = 8; // of a question
export const SAMPLES = 100; // posterior samples for the information of a question

/** Colours of the themes. */
export const THEMES = {
  light: {
    paper: "#ffffff",
    generated: "#ee7733",
    classes: ["#4477aa", "#ee6677", "#228833", "#b8a12f", "#66ccee", "#aa3377", "#8a8a8a", "#ee7733", "#004488", "#9a5b3c", "#44aa99", "#b57edc"],
    scale: ["#440154", "#481668", "#482979", "#443b84", "#3d4d8a", "#365d8d", "#2f6c8e", "#297a8e", "#23888e", "#1f958b", "#20a386", "#2cb17e", "#42be71", "#60ca60", "#84d44b", "#aadc32", "#d2e21b"],
  },
  dark: {
    paper: "#15171a",
    generated: "#ff9f66",
    classes: ["#77aadd", "#ff8899", "#55bb66", "#ddcc66", "#99ddff", "#dd77bb", "#b5b5b5", "#ff9f66", "#5588dd", "#c98f6f", "#66ccbb", "#c9a3ea"],
    scale: ["#3e4989", "#39568c", "#32648e", "#2d708e", "#287c8e", "#24878e", "#20938c", "#1f9f88", "#25ab82", "#32b67a", "#48c16e", "#60ca60", "#7fd34e", "#9dd93b", "#c0df25", "#dfe318", "#fde725"],
  },
};
