"""Models made elsewhere as runs: `importing` reads a source, and `imported_run` opens the run."""
