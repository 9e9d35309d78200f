"""A profile with random weights and synthetic tokens in place of the real ones."""

from __future__ import annotations

from typing import Any

from harness.core.errors import ProfileError
from harness.profiles.profile import Profile, parse_profile
from harness.sources.synthetic.lengths import STATED

SUFFIX = "-random"
FEW = 4
"""Items of each task; also the steps of training where a profile trains on all pairs."""
NOTE = (
    "RANDOM WEIGHTS AND SYNTHETIC TOKENS: only memory and speed mean anything here; losses and scores say "
    f"nothing about any model. Lengths of pairs: {STATED}."
)


def random_variant(profile: Profile, *, shrink: int = 1, pairs: int = 0) -> Profile:
    """The profile with its exact shapes, random weights and synthetic pairs; everything else as it was.

    Changed besides the sources: one epoch, few items a task, no floor for how far weights must move (random
    weights at the paper's rates move less than bfloat16 shows) and no checkpoints.

    Args:
        shrink: widths, blocks, vocabulary, features and lengths are divided by it; for tests on a CPU.
        pairs: training pairs; 0 takes the profile's number, or where it trains on all, four steps.

    Raises:
        ProfileError: shrink or pairs below their bounds, or a variant of a variant.
    """
    if shrink < 1 or pairs < 0 or profile.model.source == "random":
        raise ProfileError(
            "this profile can have no random variant",
            value=f"profile {profile.name}, shrink {shrink}, pairs {pairs}",
            remedy="give a profile with real weights, shrink of 1 or more and 0 pairs or more",
        )
    data = profile.resolved()
    data["name"] += SUFFIX + (f"-div{shrink}" if shrink > 1 else "")
    data["title"] = f"RANDOM WEIGHTS, shapes of {profile.model.id}"
    data["title"] += f" divided by {shrink}" if shrink > 1 else ""
    data["note"] = NOTE
    data["paper_values"] = profile.paper_values and shrink == 1
    data["model"] |= {"source": "random", "file": "", "revision": "", "divide": shrink}
    data["sae"] |= {"source": "random", "layer": profile.sae.layer // shrink}
    data["data"] |= {
        "source": "random",
        "train": "preferences/random/train.jsonl",
        "test": "preferences/random/test.jsonl",
        "train_pairs": pairs or profile.data.train_pairs or FEW * profile.training.pairs_per_step,
        "test_pairs": FEW * profile.evaluation.loss_batch_size,
        "max_length": max(64, profile.data.max_length // shrink),
        "max_prompt_length": max(32, profile.data.max_prompt_length // shrink),
    }
    data["training"] |= {"epochs": 1, "minimum_moved": 0.0, "checkpoint_steps": 0}
    if "fit" in data:
        data["fit"]["held_back"] = min(data["fit"]["held_back"], max(2, data["data"]["train_pairs"] // 2))
    data["evaluation"] |= {"source": "random", "tasks": _few(data["evaluation"]["tasks"], shrink)}
    return parse_profile(data, where=f"the random variant of {profile.name}")


def is_random(profile: dict[str, Any]) -> bool:
    """Whether a resolved profile, as an artefact keeps it, has random weights."""
    return bool(profile["model"]["source"] == "random")


def _few(tasks: dict[str, Any], shrink: int) -> dict[str, Any]:
    return {
        name: task
        | {
            "limit": min(task["limit"] or FEW, FEW),
            "subjects": [],
            "max_new_tokens": -(-task["max_new_tokens"] // shrink),
        }
        for name, task in tasks.items()
    }
