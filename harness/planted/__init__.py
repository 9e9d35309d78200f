"""The planted truth: adapters trained on rewards of known weights, and what the analyses make of them."""
