"""A small run of the miniature whose adapter steers at random, for the tests of real studies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from harness.arm import load_arm, scene
from harness.core.artefact import Artefact, digest_file, read_artefact, write_artefact
from harness.core.paths import RunPaths
from harness.core.provenance import provenance
from harness.core.results import PrepareResult, TrainResult
from harness.models.base_model import load_model
from harness.profiles.profile import Profile, load_profile, parse_profile

PAIRS = 12


def small() -> Profile:
    data = load_profile("miniature").model_dump(mode="json")
    data["data"]["test_pairs"] = PAIRS
    data["arms"] = {name: data["arms"][name] for name in ("base", "fsrl")}
    data["studies"] = {k: v for k, v in data["studies"].items() if "axis" not in v}  # sweeps train
    data["studies"]["figure2"] |= {"fractions": [0.01, 1.0], "pairs": 5}
    data["evaluation"]["tasks"] = {"gsm8k": {"num_fewshot": 1, "limit": 6, "max_new_tokens": 12}}
    data["studies"]["ablation"] |= {"draws": 2, "tasks": ["gsm8k"], "limits": {"gsm8k": 4}, "prompts": 3}
    data["studies"]["ablation"] |= {"shown": 2, "max_new_tokens": 12}
    data["studies"]["classification"] |= {"folds": 2, "resamples": 200}
    data["studies"]["answers"] |= {"prompts": 2, "max_new_tokens": 12}
    data["studies"]["table2"]["resamples"] = 200
    data["studies"]["audit"] |= {"counted": ["words"], "minimal": 3, "resamples": 100}
    data["studies"]["controls"] |= {"draws": 1, "pairs": 4, "resamples": 50}
    return parse_profile(data, where="test")


def steer_at_random(profile: Profile, paths: RunPaths, seed: int) -> None:
    """What `train` would leave, with random weights of a size that steers some features at each position."""
    prepared = PrepareResult.model_validate(read_artefact(paths.stage("prepare"), made_by="prepare").result)
    model = load_model(Path(prepared.model_dir), profile.model, torch.device("cpu"))
    arm: Any = load_arm(profile, "fsrl", scene(profile, prepared))
    arm.prepare(model)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        adapter = arm.steering.adapter
        adapter.weight.normal_(0, 0.01, generator=draw)
        adapter.bias.normal_(-0.02, 0.02, generator=draw)
    arm.save(model, paths.weights("fsrl"))
    finish(profile, paths, "fsrl", sorted(paths.weights("fsrl").iterdir()))


def json_rows(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def finish(profile: Profile, paths: RunPaths, arm: str, files: list[Path]) -> None:
    artefact = Artefact(
        stage="train", arm=arm, key="by hand", profile=profile.resolved(), inputs={},
        outputs={file.relative_to(paths.root).as_posix(): digest_file(file) for file in files},
        provenance=provenance(42), wall_s=0.0,
        result=TrainResult(trained=bool(files)).model_dump(mode="json"),
    )  # fmt: skip
    write_artefact(paths.stage("train", arm), artefact)
