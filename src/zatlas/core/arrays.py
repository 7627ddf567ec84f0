"""Array types. Latents are rows (n, d), images are floats in [0, 1], and pixels are bytes."""

import numpy as np
from jaxtyping import Bool, Float32, Int64, UInt8

Latents = Float32[np.ndarray, "n d"]
Images = Float32[np.ndarray, "n c h w"]
Pixels = UInt8[np.ndarray, "n c h w"]
Labels = Int64[np.ndarray, "n"]
ClassWeights = Float32[np.ndarray, "n k"]  # the share of each class; a one-hot row is one class
Rows = Int64[np.ndarray, "n"]
Plane = Float32[np.ndarray, "n 2"]
Column = Float32[np.ndarray, "n 1"]
Values = Float32[np.ndarray, "n"]
Flags = Bool[np.ndarray, "n"]
