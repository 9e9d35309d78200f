"""The commands that are not stages, one module each."""
