"""What is on disk: written atomically, read with suspicion."""
