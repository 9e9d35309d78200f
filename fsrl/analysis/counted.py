"""The census for the studies that read it: result, arrays, means over contexts. Needs no torch."""

from __future__ import annotations

import functools
import operator
from typing import TYPE_CHECKING, NamedTuple

from fsrl.analysis.census import FILE
from harness.findings.activity import EVERYWHERE, CensusResult
from harness.study import StudyScene

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]


class Counted(NamedTuple):
    """What `census` found."""

    result: CensusResult
    arrays: dict[str, Numbers]

    def per_feature(self, source: str, what: str, contexts: tuple[str, ...] = EVERYWHERE) -> Numbers:
        """(d_sae,) mean over the positions of the contexts: usage for `count`, mean value for `total`."""
        totals = [self.arrays[f"{context}.{source}.{what}"] for context in contexts]
        mean: Numbers = functools.reduce(operator.add, totals) / self.positions(contexts)
        return mean

    def positions(self, contexts: tuple[str, ...] = EVERYWHERE) -> int:
        """Positions of the contexts, padding left out."""
        return sum(self.result.contexts[context].positions for context in contexts)


def counted(scene: StudyScene) -> Counted:
    """Read what the study `census` left."""
    from safetensors.numpy import load_file

    return Counted(CensusResult.model_validate(scene.reads["census"]), load_file(scene.folder / FILE))
