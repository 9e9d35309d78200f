"""Stand-ins of the exact shapes where weights cannot be had: random weights, synthetic tokens."""
