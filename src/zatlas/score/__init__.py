"""Is a latent space any good? Figures of a run, what ails it, and what to try."""
