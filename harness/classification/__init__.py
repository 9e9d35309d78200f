"""Sorts SAE features into categories by their explanations (the paper's appendix E)."""
