"""The words every other room uses: array shapes, the latent space, errors, names, seeds and progress."""
