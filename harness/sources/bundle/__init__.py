"""The committed miniature: its files, and SAEs for the blocks that have none in the bundle."""
