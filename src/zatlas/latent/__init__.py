"""Functions on latents, which take and return numpy arrays."""
