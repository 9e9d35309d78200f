"""Adapters made without training: they steer known features with a trained adapter's weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch

from harness.core.errors import DataError
from harness.findings.features import CATEGORIES

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from fsrl.adapter import Adapter
    from harness.study import StudyScene

SHUT = -1.0
"""The bias of a feature that an oracle does not steer: with weights of 0 its pre-activation stays below 0."""


class Sizes(NamedTuple):
    """Weights (d_sae, d_in) and bias (d_sae,) of the trained adapter, and the features that it steers."""

    weight: Tensor
    bias: Tensor
    steered: list[int]


def trained_sizes(adapter: Adapter, steered: list[int]) -> Sizes:
    """A copy of the trained weights.

    Raises:
        DataError: the adapter steers nothing, or its activation is not ReLU.
    """
    if adapter.activation != "relu" or not steered:
        raise DataError(
            "an oracle takes the sizes of features that a ReLU adapter steers",
            value=f"{adapter.activation}, {len(steered)} features steered",
            remedy="name an arm with activation = 'relu' that was trained until it steers",
        )
    return Sizes(adapter.weight.detach().clone(), adapter.bias.detach().clone(), steered)


def targets(scene: StudyScene, d_sae: int, generator: np.random.Generator) -> dict[str, list[int]]:
    """Kind -> the features that its oracle steers.

    Raises:
        DataError: a category has no feature.
    """
    members = {
        name: sorted(i for i, known in scene.features.items() if known.categories == (name,))
        for name in CATEGORIES
    }
    empty = [name for name, found in members.items() if not found]
    if empty:
        raise DataError(
            "no feature belongs to the category alone",
            value=", ".join(empty),
            remedy="name a file with categories in [features] of the profile, or leave this study out",
        )
    both = sorted(members["style"] + members["alignment"])
    known = {i for i, feature in scene.features.items() if feature.categories}
    others = [i for i in range(d_sae) if i not in known]
    return {
        "style": members["style"],
        "truth": members["alignment"],
        "both": both,
        "neither": _drawn(others, len(both), generator),
        "random": _drawn(list(range(d_sae)), len(both), generator),
    }


def _drawn(among: list[int], count: int, generator: np.random.Generator) -> list[int]:
    return sorted(map(int, generator.choice(among, size=min(count, len(among)), replace=False)))


@torch.no_grad()
def become(adapter: Adapter, sizes: Sizes, features: list[int], generator: np.random.Generator) -> None:
    """Turn the adapter, in place, into the oracle that steers these features and no other."""
    given = generator.permutation(sizes.steered)
    taken = [int(given[i % len(given)]) for i in range(len(features))]
    adapter.weight.zero_()
    adapter.bias.fill_(SHUT)
    adapter.weight[features] = sizes.weight[taken]
    adapter.bias[features] = sizes.bias[taken]


@torch.no_grad()
def restore(adapter: Adapter, sizes: Sizes) -> None:
    """Give the adapter its trained weights back."""
    adapter.weight.copy_(sizes.weight)
    adapter.bias.copy_(sizes.bias)
