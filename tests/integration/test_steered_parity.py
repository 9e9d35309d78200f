"""CAA equals lm-eval's `steered` model with the same vector, item for item, in both dtypes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from harness.__main__ import main
from harness.arm import load_arm, scene
from harness.core.errors import CheckFailedError
from harness.core.paths import RunPaths
from harness.evaluation.score import load_ready
from harness.profiles.profile import load_profile
from harness.stages.inputs import Context
from harness.training import fitted_file

PROFILE = """
extends = "miniature"
without = ["arms.full-simpo", "arms.fsrl", "evaluation.tasks.mmlu"]
name = "steered"
[model]
dtype = "{dtype}"
[data]
test_pairs = 8
[evaluation]
share_prefix = false
batch_size = 8
[evaluation.tasks.gsm8k]
max_new_tokens = 32
[arms.caa]
module = "baselines.diffmean"
title = "CAA"
grid = [0.0, 1.0]
"""
ARMS = ("base", "caa")
STRENGTH = 1.7
"""Not a power of two: strength times vector must be rounded once, whole."""


@pytest.mark.parametrize("dtype", ["bfloat16", pytest.param("float32", marks=pytest.mark.slow)])
def test_the_caa_arm_has_the_scores_of_lm_evals_steered_model(dtype: str, tmp_path: Path) -> None:
    path, run = tmp_path / "steered.toml", tmp_path / "run"
    path.write_text(PROFILE.format(dtype=dtype))
    words = ["--profile", str(path), "--run-dir", str(run)]
    assert main(["prepare", *words]) == 0
    profile, paths = load_profile(str(path)), RunPaths(root=run)
    arm = load_arm(profile, "caa", scene(profile, Context(profile, paths).prepared))
    draw = torch.Generator().manual_seed(0)
    setting = fitted_file.Setting({}, 3, {"vector": torch.randn(192, generator=draw)}, {})
    paths.weights("caa").mkdir(parents=True)
    fitted_file.write(paths.weights("caa"), arm._owner(), setting, STRENGTH)  # type: ignore[attr-defined]
    limits = [word for task in ("truthfulqa_mc2", "gsm8k") for word in ("--limit", f"{task}=3")]
    code = main(["parity", *words, "--arm", "caa", *limits])
    # In bfloat16 shared prefixes are outside the tolerance of that comparison, with and without a vector.
    assert code in {"float32": (0,), "bfloat16": (0, CheckFailedError.exit_code)}[dtype]
    found = json.loads((run / "report/lm-eval-parity-caa.json").read_text())
    assert found["arm"] == "caa"
    for task in ("truthfulqa_mc2", "gsm8k"):
        one = found["tasks"][task]
        assert (one["items"], one["plain"]["identical"]) == (3, 3), one
        assert "--model steered" in one["command"]
        assert str(tmp_path) not in one["command"]
    ids = torch.tensor([[2, 9, 10]])
    with torch.no_grad():
        models = [load_ready(profile, paths, name, Context(profile, paths).prepared).model for name in ARMS]
        assert not torch.equal(*(one(input_ids=ids).logits for one in models))


def test_an_arm_that_is_not_one_vector_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, run = tmp_path / "steered.toml", tmp_path / "run"
    edit = '[arms.edit]\nmodule = "baselines.sae_edit"\ntitle = "Edit"\ntop = 2\ngrid = [0.0, 1.0]\n'
    path.write_text(PROFILE.format(dtype="float32") + edit)
    words = ["--profile", str(path), "--run-dir", str(run)]
    assert main(["prepare", *words]) == 0
    profile, paths = load_profile(str(path)), RunPaths(root=run)
    arm = load_arm(profile, "edit", scene(profile, Context(profile, paths).prepared))
    tensors = {"features": torch.tensor([1]), "sign": torch.ones(1), "largest": torch.ones(1)}
    paths.weights("edit").mkdir(parents=True)
    fitted_file.write(paths.weights("edit"), arm._owner(), fitted_file.Setting({}, 3, tensors, {}), 1.0)  # type: ignore[attr-defined]
    assert main(["parity", *words, "--arm", "edit"]) == 2
    assert "lm-eval has no model that is this arm" in capsys.readouterr().err
