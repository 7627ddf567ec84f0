"""Images in: read safely, labelled, split, and kept as bytes."""
