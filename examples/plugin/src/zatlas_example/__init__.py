"""A plugin of each kind for zatlas."""
