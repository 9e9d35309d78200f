"""Fixtures of the analyses: a census whose numbers can be worked out on paper."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from harness.core.paths import RunPaths
from harness.core.results import PrepareResult
from harness.findings.activity import CONTEXTS
from harness.findings.features import Feature
from harness.profiles.profile import Profile
from harness.study import StudyScene

COUNT = {"sae": [4, 2, 0, 1], "steering": [5, 0, 10, 5]}
TOTAL = {"sae": [8.0, 1.0, 0.0, 3.0], "steering": [1.0, 0.0, 4.0, 20.0]}
# Two examples of 3 and 1 positions: mean share of the SAE (0.6 + 0.2) / 4 = 0.2, of the steering 1.2 / 4.
SHARE = {"sae": [0.6, 0.2], "steering": [0.9, 0.3]}
DEFINED = [3, 1]


@pytest.fixture
def scene(profile: Profile, tmp_path: Path) -> StudyScene:
    arrays, contexts = {}, {}
    for context in CONTEXTS:
        for source in ("sae", "steering"):
            arrays[f"{context}.{source}.count"] = np.array(COUNT[source])
            arrays[f"{context}.{source}.total"] = np.array(TOTAL[source])
            for kind, factor in (("active", 1), ("classified", 2)):  # half of what is active has a label
                arrays[f"{context}.{source}.{kind}.defined"] = np.array(DEFINED)
                for category in ("alignment", "style"):
                    arrays[f"{context}.{source}.{kind}.share.{category}"] = factor * np.array(SHARE[source])
        padded = {
            "sae": {
                "positions": 100,
                "total": {"alignment": 20.0, "style": 20.0},
                "squares": {"alignment": 8.0, "style": 8.0},
            },
            "steering": {
                "positions": 100,
                "total": {"alignment": 30.0, "style": 30.0},
                "squares": {"alignment": 15.0, "style": 15.0},
            },
        }
        doubled = {
            source: {
                "positions": 100,
                "total": {name: 2 * total for name, total in one["total"].items()},
                "squares": {name: 4 * square for name, square in one["squares"].items()},
            }
            for source, one in padded.items()
        }
        contexts[context] = {
            "positions": 10, "padding": 2, "mean_l0": {}, "empty": {},
            "padded": padded, "padded_classified": doubled,
        }  # fmt: skip
    save_file(arrays, tmp_path / "census.safetensors")
    census: dict[str, Any] = {
        "arm": "fsrl", "d_sae": 4, "examples": 2, "floor": 1e-6, "contexts": contexts,
        "categories": {"alignment": 1, "style": 2}, "described": 2, "evaluated_l0": None,
        "classified": 3,
    }  # fmt: skip
    return StudyScene(
        profile=profile,
        paths=RunPaths(root=tmp_path),
        arm="fsrl",
        prepared=PrepareResult(model_dir="", sae_dir="", data_root="", files={}, facts={}),
        features={
            0: Feature("zero", ("alignment",)),
            2: Feature("two", ("style",)),
            3: Feature("", ("style",)),
        },
        reads={"census": census},
        folder=tmp_path,
    )
