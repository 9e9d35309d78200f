"""Which kind of thing each SAE feature is about, from its explanation in words (the paper's appendix E)."""
