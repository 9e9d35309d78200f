"""The miniature: an invented world, a small Gemma-2 trained on it, its SAE, evaluation sets and reward."""
