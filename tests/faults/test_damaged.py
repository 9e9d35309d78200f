"""Files that are not what they were, or that belong to something else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from fault_toys import Bench, flip_bit
from safetensors.torch import load_file, save_file

from harness.core.artefact import digest_file
from harness.core.errors import DamagedFileError, ProfileError, StaleError

pytestmark = pytest.mark.faults


def own_asset(bench: Bench, part: str) -> Path:
    """A copy of an input in the place of the run's link to it."""
    place = bench.run / "assets" / part
    target = place.resolve()
    place.unlink()
    shutil.copytree(target, place)
    return place


def sign(bench: Bench, stage: str, arm: str | None, changed: dict[str, Path]) -> None:
    """Make an artefact agree with files that were changed, as if it had been made from them."""
    path = bench.run / (arm or "") / f"{stage}.json"
    artefact: dict[str, Any] = json.loads(path.read_text())
    for name, file in changed.items():
        artefact["outputs"][file.relative_to(bench.run).as_posix()] = digest_file(file)
        if name in artefact["result"].get("files", {}):
            artefact["result"]["files"][name] = digest_file(file)
    path.write_text(json.dumps(artefact))


def test_a_bit_of_the_base_model(copy: Bench) -> None:
    flip_bit(own_asset(copy, "model") / "model.safetensors")
    said = copy.do("evaluate", "--arm", "base", code=DamagedFileError.exit_code)
    assert "assets/model/model.safetensors" in said
    assert "prepare" in said


def test_a_bit_of_trained_weights(copy: Bench, whole: Bench) -> None:
    weights = copy.run / "fsrl" / "weights" / "adapter.safetensors"
    flip_bit(weights)
    said = copy.do("evaluate", "--arm", "fsrl", code=DamagedFileError.exit_code)
    assert "fsrl/weights/adapter.safetensors" in said
    assert "python -m harness train" in said
    assert "running again (fsrl/weights/adapter.safetensors" in copy.do("train", "--arm", "fsrl")
    assert weights.read_bytes() == (whole.run / "fsrl" / "weights" / "adapter.safetensors").read_bytes()


def test_an_sae_of_the_wrong_width(copy: Bench) -> None:
    folder = own_asset(copy, "sae")
    tensors = load_file(folder / "sae_weights.safetensors")
    narrow = {
        "W_enc": tensors["W_enc"][:-8],
        "W_dec": tensors["W_dec"][:, :-8],
        "b_dec": tensors["b_dec"][:-8],
    }
    save_file({n: t.contiguous() for n, t in (tensors | narrow).items()}, folder / "sae_weights.safetensors")
    config = json.loads((folder / "cfg.json").read_text())
    config["d_in"] -= 8
    (folder / "cfg.json").write_text(json.dumps(config))
    changed = {f"sae/{name}": folder / name for name in ("cfg.json", "sae_weights.safetensors")}
    sign(copy, "prepare", None, changed)
    said = copy.do("train", "--arm", "fsrl", code=ProfileError.exit_code)
    assert "residual stream" in said
    assert (copy.run / "fsrl" / "weights").is_dir(), "the weights of the earlier training stay"


def test_an_adapter_of_another_base_model(copy: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another base model under an adapter: out of date by its inputs, and refused by its own card."""
    path = own_asset(copy, "model") / "model.safetensors"
    tensors = load_file(path)
    name = next(iter(tensors))
    save_file({n: t * 1.5 if n == name else t for n, t in tensors.items()}, path, metadata={"format": "pt"})
    sign(copy, "prepare", None, {"model/model.safetensors": path})
    said = copy.do("evaluate", "--arm", "fsrl", code=StaleError.exit_code)
    assert "have changed (model" in said
    artefact = copy.artefact("train", "fsrl")
    from harness.core.paths import RunPaths
    from harness.profiles.profile import load_profile
    from harness.stages import train
    from harness.stages.inputs import Context

    monkeypatch.setenv("OMP_NUM_THREADS", copy.environment["OMP_NUM_THREADS"])  # the key has the threads
    artefact["inputs"] = train.needs(
        Context(load_profile(str(copy.profile)), RunPaths(root=copy.run)), "fsrl"
    )
    (copy.run / "fsrl" / "train.json").write_text(json.dumps(artefact))
    said = copy.do("evaluate", "--arm", "fsrl", code=ProfileError.exit_code)
    assert "another model_digest" in said


def test_a_changed_profile_is_not_evaluated_with_old_weights(copy: Bench, tmp_path: Path) -> None:
    changed = tmp_path / "tiny.toml"
    changed.write_text(copy.profile.read_text().replace("learning_rate = 3e-3", "learning_rate = 2e-3"))
    bench = Bench(changed, copy.run)
    said = bench.do("evaluate", "--arm", "fsrl", code=StaleError.exit_code)
    assert "train is out of date: its inputs have changed (arms.fsrl)" in said
    assert "reused" in bench.do("evaluate", "--arm", "base")
