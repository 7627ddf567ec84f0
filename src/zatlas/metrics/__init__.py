"""Metrics of a run, findings that explain them, and suggestions."""
