"""Methods that fit directions, one a file. Each takes a generator and latents, and returns directions."""
