"""The miniature: an invented world, a small Gemma-2 model of it, its SAE, its evaluation sets and its
planted truth.
"""
