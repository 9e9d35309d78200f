"""The rewards that are planted, and the preference pairs that each of them ranks."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.core.artefact import write_bytes
from harness.core.results import Record
from harness.miniature.dataset import root_files
from harness.miniature.preferences import preference_sets
from harness.miniature.world import Reward, World
from harness.profiles.sections import DataSection

REWARDS = {
    "style-heavy": Reward(w_style=2.0, w_truth=0.3),
    "mixed": Reward(w_style=1.6, w_truth=1.0),
    "truth-heavy": Reward(w_style=0.5, w_truth=1.3),
    "nothing": Reward(w_style=0.0, w_truth=0.0, noise=1.0),
}
"""By label. The weights of `mixed` make style and truth move the reward nearly alike: the style score of the
candidates has a standard deviation of 0.27, their truth one of 0.47. `nothing` is the control: an order that
follows from neither text nor world, so that nothing can be learned of it."""
SIDES = ("chosen", "rejected")
Rows = Sequence[Mapping[str, Any]]


class Planted(Record):
    """A reward as planted, and what it did to the training pairs.

    Attributes:
        w_style, w_truth, noise: reward = w_style * style + w_truth * truth + normal(0, noise).
        style_share: of the variance that style and truth give the reward, the part that style gives; None
            where they give it none.
        more_style, more_truth: share of the pairs whose chosen answer has the more of it, among the pairs
            whose answers differ in it.
        world_seed: of the chats and of the noise, which are the same for every reward.
        pairs: how many the arms are trained on.
        files: sha256 of each file of pairs.
    """

    w_style: float
    w_truth: float
    noise: float
    style_share: float | None
    more_style: float
    more_truth: float
    world_seed: int
    pairs: int
    files: dict[str, str]


def ranked_sets(world: World, reward: Reward) -> dict[str, list[dict[str, Any]]]:
    """`train` and `test`: the world's chats, answers and noise, ranked by another reward."""
    return preference_sets(dataclasses.replace(world, reward=reward))


def write_root(folder: Path, world: World, reward: Reward, data: DataSection) -> dict[str, list[Any]]:
    """Write the pairs as a data root, at the paths where a profile reads them; the rows by split.

    Raises:
        RunFolderError: the folder cannot be written.
    """
    sets = ranked_sets(world, reward)
    source = f"invented by harness.miniature, seed {world.seed}, {reward}"
    files = root_files({data.train: sets["train"], data.test: sets["test"]}, source)
    for name, body in files.items():
        if not (folder / name).is_file() or (folder / name).read_bytes() != body:
            write_bytes(folder / name, body)
    return sets


def planted(world: World, reward: Reward, rows: Rows, files: Mapping[str, str]) -> Planted:
    """What is planted in training pairs."""
    return Planted(
        **dataclasses.asdict(reward),
        style_share=style_share(reward, rows),
        more_style=_more(rows, "style"),
        more_truth=_more(rows, "truth"),
        world_seed=world.seed,
        pairs=len(rows),
        files=dict(files),
    )


def style_share(reward: Reward, rows: Rows) -> float | None:
    """w_style² var(style) / (w_style² var(style) + w_truth² var(truth)) over all candidates of the pairs.

    None where both weights are 0.
    """
    style, truth = (
        statistics.pvariance([float(row[f"{quality}_{side}"]) for row in rows for side in SIDES])
        for quality in ("style", "truth")
    )
    by_style: float = reward.w_style**2 * style
    by_truth: float = reward.w_truth**2 * truth
    return by_style / (by_style + by_truth) if by_style + by_truth else None


def _more(rows: Rows, quality: str) -> float:
    gaps = [row[f"{quality}_chosen"] - row[f"{quality}_rejected"] for row in rows]
    different = [gap > 0 for gap in gaps if gap]
    return float(sum(different) / len(different))
