"""From a recipe and images to a run: one loop, exact to the bit, that survives being killed."""
