"""The paper's shapes on a GPU: random weights, the paper's batch, the CUDA allocator's peaks."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from harness.cost import measure
from harness.profiles.profile import load_profile

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU; this torch sees none"),
]
GIB_NEEDED = 30


def test_both_trained_arms_run_at_the_papers_shapes(tmp_path: Path) -> None:
    total = torch.cuda.get_device_properties(0).total_memory / 2**30
    if total < GIB_NEEDED:
        pytest.skip(f"full SimPO at the paper's shapes needs {GIB_NEEDED} GiB, this GPU has {total:.0f}")
    folder = measure.run(
        load_profile("gemma-2-2b"),
        steps=3,
        warmup=2,
        shrink=1,
        run_dir=tmp_path / "run",
        results=tmp_path / "results",
    )
    arms = json.loads((folder / "measured.json").read_text(encoding="utf-8"))["arms"]
    assert arms["fsrl"]["trainable_parameters"] == 151_060_480
    assert arms["full-simpo"]["trainable_parameters"] == 2_614_341_888
    for cost in arms.values():
        assert 0 < cost["peak_allocated_gib"] <= cost["peak_reserved_gib"] <= total
        assert cost["tokens_per_s"] > 0
    assert arms["fsrl"]["peak_reserved_gib"] < arms["full-simpo"]["peak_reserved_gib"]
