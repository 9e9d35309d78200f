"""Fitting an arm: rows held back, the search's table, costs, what is saved, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import training_toys as toys
from safetensors.torch import load_file

from harness.core.artefact import digest_json
from harness.core.errors import ProfileError, TrainingError
from harness.core.results import TrainResult
from harness.profiles import plugged
from harness.profiles.profile import Profile, parse_profile
from harness.training import fit as fitting
from harness.training import search as searching
from harness.training.exchange import Exchange
from harness.training.fit import fit


@pytest.fixture(autouse=True)
def _the_toy_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugged, "HOMES", (*plugged.HOMES, "fitted_toys"))


def used(grid: list[float], **fit_section: Any) -> Profile:
    data = toys.profile().resolved()
    data["arms"]["toy"] = {"module": "fitted_toys", "title": "Toy", "grid": grid}
    data["fit"] = {"held_back": 3, "candidates": 5} | fit_section
    return parse_profile(data, where="the tests")


def fitted(root: Path, profile: Profile) -> tuple[TrainResult, dict[str, torch.Tensor]]:
    spec = toys.order(toys.prepared_run(root, profile), profile, engine=None, arm="toy")
    exchange = Exchange(Path(spec.folder))
    return fit(spec, exchange), load_file(exchange.weights / "v.safetensors")


def test_it_is_fitted_on_the_first_pairs_and_tuned_on_the_last(tmp_path: Path) -> None:
    result, weights = fitted(tmp_path, used([0.0, -40.0, 40.0]))
    assert (result.trained, result.fitted, result.pairs, result.steps) == (False, True, 5, 0)
    assert (result.facts["fit_pairs"], result.facts["held_back_pairs"]) == (5, 3)
    assert result.facts["fit_rows_sha256"] != result.facts["held_back_rows_sha256"]
    assert result.search is not None
    assert (result.search.pairs, result.search.budget) == (3, 5)
    assert result.search.rows_sha256 == result.facts["held_back_rows_sha256"]
    losses = [one.loss for one in result.search.tried]
    assert result.search.best.loss == min(losses) < losses[0]
    assert len(set(losses)) == 3
    assert result.facts["fitted_entries"] == 16
    assert result.usage is not None
    assert result.usage.trainable_parameters == 0
    assert float(weights["v"].norm()) == pytest.approx(40 * result.facts["norm"], rel=1e-6)


def test_strength_zero_has_the_bases_loss_to_the_last_bit(tmp_path: Path) -> None:
    result, _ = fitted(tmp_path, used([0.0, 1.0]))
    assert result.search is not None
    profile = used([0.0, 1.0])
    tokens = fit_tokens(tmp_path, profile)
    rows = fitting.fit_rows(profile, tokens, 0, tmp_path, None)
    assert result.search.tried[0].loss == searching.held_back_loss(toys.model(), rows)
    assert result.search.rows_sha256 == digest_json(rows.held_back)


def fit_tokens(root: Path, profile: Profile) -> list[Any]:
    path = toys.write_rows(root / "again" / "train.jsonl", toys.rows(8))
    return fitting.usable_pairs(path, 8, toys.tokenizer(), profile.data)[1].rows


def test_two_fits_are_equal(tmp_path: Path) -> None:
    runs = [fitted(tmp_path / name, used([0.0, -4.0, 4.0])) for name in ("a", "b")]
    assert runs[0][0].search == runs[1][0].search
    assert torch.equal(runs[0][1]["v"], runs[1][1]["v"])


def test_an_interrupted_search_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = fitted(tmp_path / "whole", used([0.0, -4.0, 4.0]))
    profile = used([0.0, -4.0, 4.0])
    paths = toys.prepared_run(tmp_path / "broken", profile)
    real, asked = searching.held_back_loss, []

    def twice(model: Any, rows: Any) -> float:
        asked.append(1)
        if len(asked) == 3:
            raise KeyboardInterrupt
        return real(model, rows)

    spec = toys.order(paths, profile, engine=None, arm="toy")
    monkeypatch.setattr(searching, "held_back_loss", twice)
    with pytest.raises(KeyboardInterrupt):
        fit(spec, Exchange(Path(spec.folder)))
    Exchange(Path(spec.folder)).weights.rmdir()
    done = fit(spec, Exchange(Path(spec.folder)))
    assert len(asked) == 4, "two before, the one that failed, and that one again"
    assert done.search == whole.search


@pytest.mark.parametrize(
    ("grid", "section", "said"),
    [
        ([1.0, 2.0], {}, "compares nothing with the base"),
        ([0.0], {}, "compares nothing with the base"),
        ([0.0, float("inf")], {}, "compares nothing with the base"),
        ([0.0, 1.0, 2.0], {"candidates": 2}, "3 candidates, the profile allows 2"),
        ([0.0, 1.0], {"held_back": 7}, "leaves 1 training pairs"),
    ],
)
def test_a_search_that_means_nothing_is_refused(
    tmp_path: Path, grid: list[float], section: dict[str, int], said: str
) -> None:
    profile = used([0.0, 1.0], **section)
    toy = profile.arm("toy").model_copy(update={"grid": grid})
    profile = profile.model_copy(update={"arms": {**profile.arms, "toy": toy}})
    if float("inf") in grid:
        with pytest.raises(ProfileError, match=said):
            searching.check_candidates([searching.Candidate(one, {}) for one in grid], rows_of(profile))
        return
    with pytest.raises(ProfileError, match=said):
        fitted(tmp_path, profile)


def rows_of(profile: Profile) -> Any:
    from harness.training.pairs import PairTokens

    return fitting.fit_rows(profile, [PairTokens([2], [5], [6])] * 8, 0, Path(), None)


def test_without_a_fit_section_the_remedy_names_it(tmp_path: Path) -> None:
    profile = used([0.0, 1.0]).model_copy(update={"fit": None})
    with pytest.raises(ProfileError, match="holds no pairs back") as caught:
        fitted(tmp_path, profile)
    assert "[fit]" in caught.value.remedy


def test_a_loss_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="not a finite number"):
        fitted(tmp_path, used([0.0, 1e300]))


def test_ties_go_to_the_weaker_then_to_the_positive_then_to_the_first() -> None:
    grid = [-2.0, -1.0, 0.0, 1.0, 2.0]
    candidates = [searching.Candidate(one, {}) for one in grid]
    for losses, wanted in (
        ([3.0, 2.5, 2.0, 1.5, 1.8], 1.0),
        ([2.0, 1.5, 1.7, 1.5, 1.9], 1.0),
        ([1.0] * 5, 0.0),
        ([0.5, 1.0, 1.0, 1.0, 0.5], 2.0),
    ):
        assert grid[searching.pick(candidates, losses)] == wanted
    same = [searching.Candidate(1.0, {"tau": 0.9}), searching.Candidate(1.0, {"tau": 0.5})]
    assert searching.pick(same, [1.0, 1.0]) == 0


def test_the_edge_of_the_grid_is_recorded() -> None:
    candidates = [searching.Candidate(one, {}) for one in (-1.0, 0.0, 1.0)]
    rows = rows_of(used([0.0, 1.0]))
    assert searching.table(candidates, [1.0, 2.0, 3.0], rows).at_edge
    assert not searching.table(candidates, [3.0, 2.0, 3.0], rows).at_edge
    assert not searching.table(candidates[1:], [3.0, 2.0], rows).at_edge, "prompted or not is no grid"
