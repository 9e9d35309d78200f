"""The audit and the controls on the bundled miniature, and studies of fewer pairs than the run has."""

from __future__ import annotations

import json
import statistics
from typing import Any

import numpy as np
import pytest
from study_toys import PAIRS, small

from harness.core.artefact import read_artefact
from harness.core.paths import RunPaths
from harness.findings import parse_finding
from harness.findings.activity import CensusResult
from harness.findings.controls import RIGHT
from harness.findings.masked import AblationResult
from harness.miniature.minimal import ATTRIBUTES
from harness.profiles.profile import parse_profile
from harness.sources.bundle.rows import data_root
from harness.stages.study import run_studies


def test_the_audit_regresses_what_the_logs_say(studied: dict[str, Any], trained: RunPaths) -> None:
    """Against least squares on the two logs and the file's own columns."""
    logs = {
        arm: [
            json.loads(line) for line in (trained.samples(arm) / "preference.jsonl").read_text().splitlines()
        ]
        for arm in ("base", "fsrl")
    }
    beta = small().training.beta
    gaps = {
        arm: [(one["metrics"]["chosen_reward"] - one["metrics"]["rejected_reward"]) / beta for one in rows]
        for arm, rows in logs.items()
    }
    pairs = [json.loads(line) for line in (data_root() / small().data.test).read_text().splitlines()[:PAIRS]]
    columns = [
        [row[f"{name}_chosen"] - row[f"{name}_rejected"] for row in pairs] for name in ("style", "truth")
    ]
    wanted = np.linalg.lstsq(
        np.array(columns).T, np.array(gaps["fsrl"]) - np.array(gaps["base"]), rcond=None
    )[0]
    found = studied["audit"].arms["fsrl"]
    assert [one.value for one in found.planted.coefficients.values()] == pytest.approx(wanted.tolist())
    assert list(found.natural.coefficients) == ["style", "truth", "words"]
    assert set(found.minimal) == set(ATTRIBUTES)
    assert all(one.value != 0 for one in found.minimal.values())
    assert found.truthful is None, "the profile does not score TruthfulQA"
    assert (studied["audit"].pairs, studied["audit"].minimal_pairs) == (PAIRS, 3)


def test_oracles_steer_what_they_are_said_to(studied: dict[str, Any]) -> None:
    """One of each kind. Of the style oracle every used feature is a style feature, and masking the alignment
    features changes nothing; of the truth oracle likewise.
    """
    result = studied["controls"]
    found = {one.kind: one for one in result.controls}
    assert list(found) == list(RIGHT)
    assert result.pairs == 4
    for kind, sign in (("style", 1.0), ("truth", -1.0)):
        contrasts = found[kind].contrasts
        assert [contrasts[name] for name in ("usage", "value", "top-k")] == [sign] * 3
        assert contrasts["ablation"] in (sign, 0.0)
        assert contrasts["composition"] * sign > 0
    assert found["both"].steered == found["style"].steered + found["truth"].steered
    assert found["neither"].contrasts["usage"] == found["neither"].contrasts["ablation"] == 0.0


def test_studies_of_some_pairs_count_the_first_of_them(copy: RunPaths) -> None:
    data = small().model_dump(mode="json")
    data["studies"]["census"]["pairs"] = data["studies"]["ablation"]["pairs"] = 5
    data["studies"]["ablation"] |= {"tasks": [], "limits": {}, "prompts": 0}
    run_studies(parse_profile(data, where="test"), copy, ["ablation"])
    census, ablation = (
        parse_finding(read_artefact(copy.stage(f"studies/{name}"), made_by="").result, where=name)
        for name in ("census", "ablation")
    )
    log = (copy.samples("base") / "preference.jsonl").read_text().splitlines()[:5]
    losses = [json.loads(line)["metrics"]["loss"] for line in log]
    assert isinstance(census, CensusResult)
    assert isinstance(ablation, AblationResult)
    assert (census.examples, ablation.pairs) == (5, 5)
    assert ablation.base_loss == pytest.approx(statistics.fmean(losses))
