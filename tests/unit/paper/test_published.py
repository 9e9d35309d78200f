"""The base arm against published scores."""

from __future__ import annotations

import pytest

from harness.core.errors import ProfileError
from harness.core.results import Score
from harness.paper.published import agreements
from harness.profiles.profile import load_profile


def test_within_its_95_percent_interval_a_score_agrees() -> None:
    """Gemma-2-2B-it's published scores and binomial standard errors near them: 0.42, 1.75 and 1.37 points."""
    profile = load_profile("gemma-2-2b-leaderboard")
    base = {
        "mmlu.acc": Score(value=0.5694 + 1.9 * 0.0042, stderr=0.0042, n=14042),
        "truthfulqa_mc2.acc": Score(value=0.5322 - 2.0 * 0.0175, stderr=0.0175, n=817),
        "gsm8k.strict-match": Score(value=0.4481, stderr=0.0137, n=1319),
    }
    found = {one.measure: one for one in agreements(profile, base)}
    assert {name: (one.published, one.agrees) for name, one in found.items()} == {
        "mmlu.acc": (0.5694, True),
        "truthfulqa_mc2.acc": (0.5322, False),
        "gsm8k.strict-match": (0.4481, True),
    }
    assert "differs from the published 0.5322: 0.4972" in str(found["truthfulqa_mc2.acc"])
    del base["mmlu.acc"]
    with pytest.raises(ProfileError, match="does not have"):
        agreements(profile, base)
    assert agreements(load_profile("gemma-2-2b"), base) == ()


@pytest.mark.parametrize(("published", "agrees"), [(0.3, True), (0.6, False)])
def test_none_right_of_four_is_no_exact_zero(published: float, agrees: bool) -> None:
    profile = load_profile("gemma-2-2b-leaderboard")
    one = profile.published["mmlu.acc"].model_copy(update={"value": published})
    (found,) = agreements(
        profile.model_copy(update={"published": {"mmlu.acc": one}}),
        {"mmlu.acc": Score(value=0.0, stderr=0.0, n=4)},
    )
    assert found.agrees == agrees
    assert "0.0000 [0.0000, 0.4899] (95 % CI, n = 4" in str(found)
