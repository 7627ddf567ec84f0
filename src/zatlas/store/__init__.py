"""Files of a run: atomic writes, and reads that check every file."""
