"""The activation cache through the train stage and DeepSpeed's launcher: the same training, or a refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsrl_toys
import pytest
import training_toys as toys
from safetensors.torch import load_file

from harness.core.artefact import digest_tree, read_artefact, write_artefact
from harness.core.errors import DamagedFileError
from harness.core.paths import RunPaths
from harness.core.results import PrepareResult, TrainResult
from harness.profiles.profile import Profile
from harness.stages import train
from harness.stages.inputs import Context
from harness.training.activation_cache import DATA

pytestmark = pytest.mark.slow


def used(**training: Any) -> Profile:
    shared = {"share_prompt": True, "epochs": 2, "sae__layer": 0, **training}
    return toys.profile(**shared)


def prepared(root: Path, profile: Profile) -> RunPaths:
    """As `toys.prepared_run`, with an SAE at block 0 and its digests."""
    paths = toys.prepared_run(root, profile)
    path = paths.stage("prepare")
    artefact = read_artefact(path, made_by="a test")
    inputs = PrepareResult.model_validate(artefact.result)
    hook = {"metadata": {"hook_name": "blocks.0.hook_resid_post"}}
    folder = fsrl_toys.write_sae(Path(inputs.sae_dir), **hook)
    sae = {f"sae/{name}": sha for name, sha in digest_tree(folder).items()}
    inputs = inputs.model_copy(update={"files": inputs.files | sae})
    write_artefact(path, artefact.model_copy(update={"result": inputs.model_dump(mode="json")}))
    return paths


def trained(profile: Profile, paths: RunPaths) -> TrainResult:
    result = train.work(Context(profile, paths), "fsrl").result
    assert isinstance(result, TrainResult)
    return result


def test_the_cache_changes_rounding_only_and_a_changed_byte_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    plain_paths, cached_paths = prepared(tmp_path / "plain", used()), prepared(tmp_path / "cached", used())
    cached_profile = used(activation_cache_gib=0.01)
    plain, cached = trained(used(), plain_paths), trained(cached_profile, cached_paths)
    assert (plain.facts["activation_cache"], cached.facts["activation_cache"]) == (False, True)
    assert plain.steps == cached.steps == 4
    assert cached.loss_trace == pytest.approx(plain.loss_trace, abs=1e-5)
    assert cached.penalised_loss_trace == pytest.approx(plain.penalised_loss_trace, abs=1e-5)
    assert cached.facts["grad_norm_trace"] == pytest.approx(plain.facts["grad_norm_trace"], rel=1e-4)
    weights = [
        load_file(paths.weights("fsrl") / "adapter.safetensors") for paths in (plain_paths, cached_paths)
    ]
    for name, tensor in weights[0].items():
        assert (weights[1][name] - tensor).abs().max() <= 1e-5, name

    (data,) = tmp_path.joinpath("cached").rglob(DATA)
    held = bytearray(data.read_bytes())
    held[100] ^= 1
    data.write_bytes(held)
    with pytest.raises(DamagedFileError, match="does not match what was written") as error:
        train.work(Context(cached_profile, cached_paths), "fsrl")
    assert "delete the folder" in error.value.remedy
    assert load_file(cached_paths.weights("fsrl") / "adapter.safetensors").keys() == weights[1].keys()
