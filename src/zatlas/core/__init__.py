"""What all other packages use: array types, the latent space, errors, registries, seeds and progress."""
