"""Studies of a trained adapter: what it steers, and how the loss depends on it."""
