"""The page of a run as a tree of files, served or exported."""

from zatlas.site.tree import RunTree, manifest, run_tree

__all__ = ["RunTree", "manifest", "run_tree"]
