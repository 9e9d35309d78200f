"""Studies of a trained adapter: what it steers, and what becomes of the loss with a part of it."""
