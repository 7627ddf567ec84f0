"""Directions in latent space: how they are fitted, what they change, and where a run stores them."""
