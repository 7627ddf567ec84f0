"""Datasets: read images safely, with labels, attributes and splits, and cache them as bytes."""
