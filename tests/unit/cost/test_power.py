"""The power that `plan` predicts: items counted, deviations from committed results, families as in a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import training_toys as toys

from harness.core.artefact import write_json
from harness.core.measures import LOSS
from harness.core.paths import ROOT
from harness.core.power import direction_power, equivalence_power
from harness.cost import power
from harness.cost.items import measure_items
from harness.cost.plan import plan
from harness.findings.outcome import Outcome, read_outcome
from harness.profiles.profile import Profile, load_profile


def with_limit(profile: Profile, task: str, limit: int) -> Profile:
    tasks = {**profile.evaluation.tasks}
    tasks[task] = tasks[task].model_copy(update={"limit": limit})
    return profile.model_copy(update={"evaluation": profile.evaluation.model_copy(update={"tasks": tasks})})


def test_items_are_those_that_a_run_of_the_bundle_scores(outcome: Outcome) -> None:
    miniature = load_profile("miniature")
    names = [LOSS, "mmlu.acc", "truthfulqa_mc2.acc", "gsm8k.strict-match", "arc.acc"]
    found = measure_items(miniature, names)
    assert found == {LOSS: 3000, "mmlu.acc": 1600, "truthfulqa_mc2.acc": 800, "gsm8k.strict-match": 800}
    assert measure_items(with_limit(miniature, "mmlu", 7), names)["mmlu.acc"] == 28
    assert measure_items(with_limit(miniature, "gsm8k", 10**6), names)["gsm8k.strict-match"] == 800


def test_the_plan_has_the_power_of_each_claims_comparison() -> None:
    found = plan(load_profile("miniature"), "h200").power
    one = next(one for one in found if (one.claim, one.arm) == ("mmlu-rises", "fsrl"))
    assert (one.n, one.smallest) == (1600, 0.01)
    assert one.sd_from == "results/miniature/cpu-x86_64-2c/table1.json"
    # 3 pairs of arms x 5 measures, all of them asked for by a claim
    assert one.direction == direction_power(0.01, one.sd, 1600, family=15)
    assert one.equivalence == equivalence_power(0.0, one.sd, 1600, smallest=0.01, family=15)
    word_problems = next(one for one in found if (one.claim, one.arm) == ("gsm8k-falls", "fsrl"))
    committed = read_outcome(ROOT / one.sd_from, made_by="a run").difference(
        "fsrl", "base", "gsm8k.strict-match"
    )
    assert committed is not None
    assert word_problems.sd == pytest.approx(committed.sd)


def test_committed_results_count_and_otherwise_a_stated_guess(
    outcome: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loss(profile: Profile) -> power.ClaimPower:
        return next(one for one in power.claim_powers(profile) if one.claim == "loss-full-lowest")

    monkeypatch.setattr(power, "COMMITTED", tmp_path / "results")
    monkeypatch.setattr(power, "ROOT", tmp_path)
    miniature = load_profile("miniature")
    assert (loss(miniature).sd, loss(miniature).sd_from, loss(miniature).n) == (2.0, "assumed", 3000)
    difference = outcome.difference("full-simpo", "fsrl", LOSS)
    assert difference is not None

    def committed(**update: Any) -> None:
        where = tmp_path / "results/miniature/here/table1.json"
        write_json(where, outcome.model_copy(update=update).model_dump(mode="json"))

    committed(profile_digest="of other items")
    found = loss(miniature)
    assert (found.sd, found.n) == (difference.sd, 3000)
    assert found.sd_from == "results/miniature/here/table1.json"
    committed(profile_digest=miniature.digest())
    assert loss(miniature).n == difference.n


def test_random_weights_decide_nothing() -> None:
    assert power.claim_powers(toys.profile(model__source="random")) == ()
