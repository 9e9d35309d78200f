"""Profiles: TOML files, the frozen types that they are read into, and the modules that they may name."""
