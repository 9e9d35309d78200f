"""Stand-ins of the exact shapes for weights that are not available: random weights, synthetic tokens."""
