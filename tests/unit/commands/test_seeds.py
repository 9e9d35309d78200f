"""Several seeds: the paired t test by hand, the table, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean, stdev

import pytest

from harness.commands import seeds
from harness.commands.seeds import (
    RESULTS,
    SeedResult,
    over_seeds,
    report,
    run,
    seed_paths,
    seed_table,
    with_seed,
)
from harness.core.errors import CheckFailedError, DataError, NotComparableError, UsageError
from harness.core.paths import RunPaths
from harness.core.results import Score
from harness.core.statistics import seed_difference
from harness.findings.outcome import Outcome, outcome_path
from harness.profiles.profile import Profile, load_profile
from harness.stages.options import parse_seeds
from harness.stages.stage import STAGES

LOSS = "preference.loss"
MMLU = "mmlu.acc"


def test_the_paired_t_test_by_hand() -> None:
    # Differences 1, 2, 3: mean 2, sd 1, t = 2 / (1 / sqrt 3) = 3.4641 with 2 degrees of freedom.
    # p = 2 (1/2 - t / (2 sqrt(2 + t^2))) = 1 - 3.4641 / sqrt 14 = 0.074180; t(0.975; 2) = 4.302653.
    found = seed_difference([2.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    assert (found.effect, found.sd, found.seeds) == (2.0, 1.0, 3)
    assert found.p == pytest.approx(0.0741799, abs=1e-6)
    assert found.low == pytest.approx(2 - 4.302653 / 3**0.5, abs=1e-5)
    assert found.high == pytest.approx(2 + 4.302653 / 3**0.5, abs=1e-5)


def test_seeds_without_a_spread_have_no_p() -> None:
    found = seed_difference([0.5, 0.5], [0.25, 0.25])
    assert (found.effect, found.low, found.high, found.p) == (0.25, 0.25, 0.25, None)


@pytest.mark.parametrize(("arm", "reference"), [([1.0], [1.0]), ([1.0, 2.0], [1.0])])
def test_fewer_than_two_pairs_of_seeds_are_refused(arm: list[float], reference: list[float]) -> None:
    with pytest.raises(DataError):
        seed_difference(arm, reference)


@pytest.mark.parametrize("text", ["", "1", "1,1", "1,x", "1,,2", "-1,2", "1.5,2"])
def test_seeds_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="1,2,3"):
        parse_seeds(text)


def test_only_the_training_seed_changes(profile: Profile) -> None:
    assert parse_seeds("3,1,2") == (3, 1, 2)
    one, other = profile.resolved(), with_seed(profile, 7).resolved()
    other["training"]["seed"] = one["training"]["seed"]
    assert one == other
    assert with_seed(profile, 7).training.seed == 7


def test_the_mean_of_equal_scores_is_that_score(outcome: Outcome) -> None:
    """The mean of three 0.8225 by floating point is 0.8225000000000001, and 82.3 where Table 1 has 82.2."""
    score = Score(value=0.8225, stderr=0.02, n=400)
    arms = {
        name: arm.model_copy(update={"scores": {**arm.scores, MMLU: score}})
        for name, arm in outcome.arms.items()
    }
    same = outcome.model_copy(update={"arms": arms})
    spread = over_seeds({1: same, 2: same, 3: same}, "digest").spreads["base"][MMLU]
    assert (spread.mean, spread.sd) == (0.8225, 0.0)


def seeded(outcome: Outcome, losses: dict[str, float]) -> Outcome:
    """The outcome with the losses of some arms replaced, as another seed would have them."""
    arms = {
        name: arm.model_copy(
            update={"scores": {**arm.scores, LOSS: Score(value=losses.get(name, 6.0), stderr=0.1, n=10)}}
        )
        for name, arm in outcome.arms.items()
    }
    return outcome.model_copy(update={"arms": arms})


def test_means_spreads_and_tests_over_seeds(outcome: Outcome) -> None:
    # fsrl - base: -1, -2, -3, as in the test by hand; full-simpo: -2 in each.
    runs = {n: seeded(outcome, {"full-simpo": 4.0, "fsrl": 6.0 - n}) for n in (1, 2, 3)}
    result = over_seeds(runs, "d" * 64)
    spread = result.spreads["fsrl"][LOSS]
    assert (spread.mean, spread.sd, spread.seeds) == (4.0, 1.0, 3)
    one = result.differences["fsrl"][LOSS]
    assert one.effect == pytest.approx(-2.0)
    assert one.p == one.p_holm == pytest.approx(0.0741799, abs=1e-6)
    assert result.family == 1, "the other measures have no spread here"
    assert result.differences["full-simpo"][LOSS].p is None
    shown = seed_table(result, outcome, "the command")
    assert "`the command`" in shown.notes[3]
    assert "3 training seeds an arm (1, 2, 3)" in shown.notes[1]
    assert [row.texts[1] for row in shown.rows if row.texts[0] == "FSRL"] == ["4.000 ±1.000"]
    assert "-2.000 [-4.484, +0.484]" in [row.texts[1] for row in shown.rows]


def test_runs_that_differ_in_more_than_the_seed_are_refused(outcome: Outcome) -> None:
    other = outcome.model_copy(update={"dtype": "bfloat16"})
    with pytest.raises(NotComparableError, match="dtype"):
        over_seeds({1: outcome, 2: other}, "d" * 64)


@pytest.fixture(autouse=True)
def without_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """These runs have outcomes and no sample logs; tests/unit/core/test_crossed.py has the interval."""
    monkeypatch.setattr(seeds, "item_tables", lambda *_: {})


def with_runs(outcome: Outcome, folder: Path) -> RunPaths:
    """A run folder in which two seeds were reported, on two commits, the second with changes."""
    paths = RunPaths(root=folder)
    for seed in (1, 2):
        where = outcome_path(seed_paths(paths, seed))
        where.parent.mkdir(parents=True)
        made = {"commits": (str(seed) * 40,), "dirty": seed == 2}
        where.write_text(seeded(outcome, {"fsrl": 5.0 - seed}).model_copy(update=made).model_dump_json())
    return paths


def test_the_table_is_written_from_the_runs_of_the_seeds(
    outcome: Outcome, profile: Profile, tmp_path: Path
) -> None:
    paths = with_runs(outcome, tmp_path)
    result = report(profile, paths, (1, 2))
    assert json.loads((paths.report / "seeds.json").read_text()) == result.model_dump(mode="json")
    shown = (paths.report / "seeds.md").read_text()
    assert "2 training seeds an arm (1, 2)" in shown
    assert "1" * 12 + ", " + "2" * 12 + " with uncommitted changes" in shown
    assert (result.profile, result.profile_digest) == (outcome.profile, profile.digest())
    assert (paths.report / "seeds.tex").is_file()


def test_all_stages_run_for_each_seed_and_the_table_is_taken_over(
    outcome: Outcome, profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stages are only listed here; tests/integration/test_seeds.py runs them."""
    paths, ran = with_runs(outcome, tmp_path / "run"), []
    monkeypatch.setattr(
        seeds, "run_stage", lambda stage, one, where: ran.append((stage, one.training.seed, where.root.name))
    )
    run(profile, paths, "1,2", save=True, results=tmp_path / "results")
    made = [(stage, seed, f"seed-{seed}") for seed in (1, 2) for stage in STAGES if stage != "check"]
    assert ran == [*made, ("check", 1, "seed-1"), ("check", 2, "seed-2")]
    taken = tmp_path / "results" / profile.name / outcome.hardware
    assert sorted(path.name for path in taken.iterdir()) == ["seeds.json", "seeds.md", "seeds.tex"]
    assert (taken / "seeds.md").read_bytes() == (paths.report / "seeds.md").read_bytes()


def test_a_seed_that_fails_its_check_is_in_the_table_and_not_taken_over(
    outcome: Outcome, profile: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = with_runs(outcome, tmp_path / "run")

    def run_stage(stage: str, one: Profile, _: RunPaths) -> None:
        if (stage, one.training.seed) == ("check", 2):
            raise CheckFailedError("a loss is above the base's", value="seed 2", remedy="find the cause")

    monkeypatch.setattr(seeds, "run_stage", run_stage)
    with pytest.raises(CheckFailedError):
        run(profile, paths, "1,2", save=True, results=tmp_path / "results")
    assert "2 training seeds an arm (1, 2)" in (paths.report / "seeds.md").read_text()
    assert not (tmp_path / "results").exists()


def test_what_is_committed_is_of_todays_profile_and_adds_up() -> None:
    for path in sorted(RESULTS.glob("*/*/seeds.json")):
        result = SeedResult.model_validate_json(path.read_text())
        assert (result.profile, result.hardware) == (path.parent.parent.name, path.parent.name)
        assert result.profile_digest == load_profile(result.profile).digest()
        assert not result.dirty
        for arm, by_name in result.values.items():
            for name, values in by_name.items():
                spread = result.spreads[arm][name]
                assert spread.seeds == len(values) == len(result.seeds)
                assert (spread.mean, spread.sd) == pytest.approx((fmean(values), stdev(values)))
