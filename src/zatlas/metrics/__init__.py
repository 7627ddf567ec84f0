"""Is a latent space any good? Metrics of a run, what ails it, and what to try."""
