"""Families of models, their nets, and the one thing the rest knows of any of them: `Generator`."""
