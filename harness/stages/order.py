"""The stages, in the order in which a run needs them."""

STAGES = ("prepare", "train", "evaluate", "analyse", "report", "check")
