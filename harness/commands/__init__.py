"""The commands that are no stage, one module each."""
