"""Train a model from a recipe and images. A training that was stopped resumes to the bit."""
